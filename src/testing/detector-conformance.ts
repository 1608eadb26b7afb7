import type { AccrualDetector, Detector } from "../core/detectors/detector.ts";
import { type DetectorUnderTest, FedDetector } from "./detector-under-test.ts";
import { seededRandom } from "./seeded-random.ts";

/**
 * Checks every promise of {@link Detector}, as plain functions for any test runner:
 *
 * ```ts
 * const make = (now) => new MyDetector(now);
 * for (const { name, run } of detectorConformance({ make, intervalMs: 100 })) test(name, run);
 * ```
 */
export function detectorConformance(subject: DetectorUnderTest): readonly ConformanceCheck[] {
  return [
    {
      name: "suspects a peer that never sends a heartbeat",
      run: () => suspectsNothingHeard(subject),
    },
    {
      name: "trusts a peer whose heartbeats come regularly",
      run: () => trustsRegularHeartbeats(subject),
    },
    {
      name: "suspects a peer that falls silent, and keeps suspecting it",
      run: () => suspectsSilence(subject),
    },
    { name: "is suspicious exactly from its deadline on", run: () => keepsItsDeadline(subject) },
    { name: "trusts again when heartbeats come again", run: () => trustsAgain(subject) },
    {
      name: "takes no sign of life from repeated or overtaken heartbeats",
      run: () => ignoresOldHeartbeats(subject),
    },
    {
      name: "moves its deadline by the time that its own process stood still",
      run: () => movesByStalls(subject),
    },
    {
      name: "keeps its deadline when its verdict is read",
      run: () => isUnchangedByReading(subject),
    },
    { name: "does not depend on the origin of the clock", run: () => ignoresTheOrigin(subject) },
    {
      name: "keeps a finite deadline whatever heartbeats are lost or late",
      run: () => staysFinite(subject),
    },
    {
      name: "raises its level with silence, up to the threshold at the deadline, if it has levels",
      run: () => levelsGrow(subject),
    },
  ];
}

/** One promise that every detector has to keep. */
export interface ConformanceCheck {
  readonly name: string;
  /** @throws Error that names the broken promise */
  run(): void;
}

function suspectsNothingHeard(subject: DetectorUnderTest): void {
  const { detector, now } = new FedDetector(subject);
  check(detector.verdict(now) === "alive", "it suspects a peer at its very start");
  check(Number.isFinite(detector.nextDeadline()), "it has no deadline before the first heartbeat");
  check(
    detector.verdict(detector.nextDeadline()) === "suspect",
    "it still trusts the peer at its deadline",
  );
}

function trustsRegularHeartbeats(subject: DetectorUnderTest): void {
  const feed = new FedDetector(subject).beats(100);
  for (let i = 0; i < 5000; i++) {
    const deadline = feed.detector.nextDeadline();
    feed.beat();
    check(
      feed.now < deadline,
      `heartbeat ${feed.sequence} came in time, at ${feed.now}, but the deadline was ${deadline}`,
    );
    check(
      feed.detector.verdict(feed.now) === "alive",
      `it suspects the peer right after heartbeat ${feed.sequence}`,
    );
  }
}

function suspectsSilence(subject: DetectorUnderTest): void {
  const { detector } = new FedDetector(subject).beats(200);
  const deadline = detector.nextDeadline();
  check(Number.isFinite(deadline), "its deadline is not finite");
  for (let after = 1; after < 1e9; after *= 10) {
    check(
      detector.verdict(deadline + after) === "suspect",
      `it trusts a peer that has been silent for ${after} ms beyond the deadline`,
    );
  }
}

function keepsItsDeadline(subject: DetectorUnderTest): void {
  const feed = new FedDetector(subject);
  for (let i = 0; i < 300; i++) {
    feed.beat();
    const deadline = feed.detector.nextDeadline();
    const hair = Math.max(1e-6, Math.abs(deadline) * 1e-12);
    check(
      feed.detector.verdict(deadline) === "suspect",
      `heartbeat ${i}: alive at its own deadline ${deadline}`,
    );
    check(
      feed.detector.verdict(deadline - hair) === "alive",
      `heartbeat ${i}: suspect before its own deadline ${deadline}`,
    );
  }
}

function trustsAgain(subject: DetectorUnderTest): void {
  const feed = new FedDetector(subject).beats(200);
  feed.lose(Math.ceil((feed.detector.nextDeadline() - feed.now) / subject.intervalMs) + 20);
  const silentUntil = feed.now + (feed.detector.nextDeadline() - feed.now) * 2;
  check(feed.detector.verdict(silentUntil) === "suspect", "it trusts a silent peer");

  // A detector may need a few heartbeats to trust the path again.
  feed.beats(20);
  check(
    feed.detector.verdict(feed.now) === "alive",
    "it still suspects the peer 20 regular heartbeats after a silence",
  );
}

function ignoresOldHeartbeats(subject: DetectorUnderTest): void {
  const feed = new FedDetector(subject).beats(200);
  const deadline = feed.detector.nextDeadline();
  for (const sequence of [feed.sequence, feed.sequence - 1, feed.sequence - 100, 0])
    feed.detector.heard(deadline + 1, sequence);
  check(
    feed.detector.verdict(deadline + 1) === "suspect",
    "an old heartbeat that arrived late restored trust",
  );
}

function movesByStalls(subject: DetectorUnderTest): void {
  const feed = new FedDetector(subject).beats(200);
  const deadline = feed.detector.nextDeadline();
  const gapMs = 3 * (deadline - feed.now);
  feed.detector.stalled(feed.now + gapMs, gapMs);
  near(feed.detector.nextDeadline(), deadline + gapMs, `a stall of ${gapMs} ms moved the deadline`);
}

function isUnchangedByReading(subject: DetectorUnderTest): void {
  const [read, unread] = [new FedDetector(subject), new FedDetector(subject)];
  for (let i = 0; i < 300; i++) {
    read.beat();
    unread.beat();
    for (const at of [read.now, read.now + subject.intervalMs, read.now + 1e6])
      read.detector.verdict(at);

    check(
      read.detector.nextDeadline() === unread.detector.nextDeadline(),
      `heartbeat ${i}: reading the verdict changed the deadline`,
    );
  }
}

function ignoresTheOrigin(subject: DetectorUnderTest): void {
  const [near0, far] = [new FedDetector(subject, 0), new FedDetector(subject, 1e9)];
  near0.beats(500);
  far.beats(500);
  near(
    far.detector.nextDeadline() - 1e9,
    near0.detector.nextDeadline(),
    "10^9 ms later the same heartbeats moved the deadline",
  );
}

function staysFinite(subject: DetectorUnderTest): void {
  const random = seededRandom(subject.seed ?? 1);
  const feed = new FedDetector(subject);
  for (let i = 0; i < 3000; i++) {
    const dice = random();
    if (dice < 0.1) feed.lose(Math.floor(random() * 20));
    else feed.beat(dice < 0.3 ? random() * 5 * subject.intervalMs : 0);
    const deadline = feed.detector.nextDeadline();
    check(Number.isFinite(deadline), `step ${i}: the deadline is ${deadline}`);
  }
}

function levelsGrow(subject: DetectorUnderTest): void {
  const { detector, now } = new FedDetector(subject).beats(200);
  if (!hasLevels(detector)) return;

  const deadline = detector.nextDeadline();
  near(detector.level(deadline), detector.threshold, "at the deadline the level came");

  let before = -1;
  for (let share = 0; share <= 3; share += 0.1) {
    const level = detector.level(now + share * (deadline - now));
    check(level >= before, `the level fell from ${before} to ${level} with growing silence`);
    before = level;
  }
}

function hasLevels(
  detector: Detector,
): detector is AccrualDetector & { readonly threshold: number } {
  return "level" in detector && "threshold" in detector;
}

function near(actual: number, expected: number, what: string): void {
  check(
    Math.abs(actual - expected) <= 1e-3 + 1e-6 * Math.abs(expected),
    `${what} to ${actual}, not to ${expected}`,
  );
}

function check(isKept: boolean, problem: string): void {
  if (!isKept) throw new Error(`not a conforming detector: ${problem}`);
}
