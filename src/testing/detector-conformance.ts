import type { AccrualDetector, Detector } from "../core/detectors/detector.ts";
import { seededRandom } from "./seeded-random.ts";

export interface DetectorUnderTest {
  /**
   * Makes a fresh detector at this instant. The first heartbeat, number 0, is sent `intervalMs`
   * after it.
   */
  readonly make: (now: number) => Detector;
  readonly intervalMs: number;
  /** Default 1. */
  readonly seed?: number;
}

/** One promise that every detector keeps. */
export interface ConformanceCheck {
  readonly name: string;
  /** @throws Error that says what was broken */
  run(): void;
}

/**
 * What every {@link Detector} has to keep, as plain functions for any test runner:
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
      name: "suspects a peer that falls silent, and goes on doing so",
      run: () => suspectsSilence(subject),
    },
    { name: "is suspicious exactly from its deadline on", run: () => keepsItsDeadline(subject) },
    { name: "trusts again when heartbeats come again", run: () => trustsAgain(subject) },
    {
      name: "learns nothing of life from repeated or overtaken heartbeats",
      run: () => ignoresOldHeartbeats(subject),
    },
    {
      name: "moves its deadline by the gap in which its own process stood still",
      run: () => movesByStalls(subject),
    },
    { name: "does not change by being asked", run: () => isUnchangedByQuestions(subject) },
    { name: "does not depend on the origin of the clock", run: () => ignoresTheOrigin(subject) },
    {
      name: "keeps a finite deadline whatever heartbeats are lost or late",
      run: () => staysFinite(subject),
    },
    {
      name: "grows in suspicion with silence and reaches its threshold at the deadline, if it has levels",
      run: () => levelsGrow(subject),
    },
  ];
}

/**
 * Regular heartbeats with a lateness of up to 2 % of the interval: without any, a detector that
 * learns the lateness allows none.
 */
class Feed {
  readonly detector: Detector;
  readonly #subject: DetectorUnderTest;
  readonly #start: number;
  readonly #random: () => number;
  now: number;
  sequence = -1;

  constructor(subject: DetectorUnderTest, start = 1000) {
    this.#subject = subject;
    this.#start = start;
    this.#random = seededRandom(subject.seed ?? 1);
    this.now = start;
    this.detector = subject.make(start);
  }

  /** The next heartbeat arrives, `lateMs` behind its time. */
  beat(lateMs = 0): void {
    this.sequence++;
    const { intervalMs } = this.#subject;
    const due = this.#start + (this.sequence + 1) * intervalMs;
    this.now = Math.max(this.now, due + lateMs + 0.02 * intervalMs * this.#random());
    this.detector.heard(this.now, this.sequence);
  }

  beats(count: number): this {
    for (let i = 0; i < count; i++) this.beat();
    return this;
  }

  lose(count: number): void {
    this.sequence += count;
  }
}

function suspectsNothingHeard(subject: DetectorUnderTest): void {
  const { detector, now } = new Feed(subject);
  check(detector.verdict(now) === "alive", "it suspects a peer at its very start");
  check(Number.isFinite(detector.nextDeadline()), "it has no deadline before the first heartbeat");
  check(
    detector.verdict(detector.nextDeadline()) === "suspect",
    "it does not suspect at its deadline",
  );
}

function trustsRegularHeartbeats(subject: DetectorUnderTest): void {
  const feed = new Feed(subject).beats(100);
  for (let i = 0; i < 5000; i++) {
    const deadline = feed.detector.nextDeadline();
    feed.beat();
    check(
      feed.now < deadline,
      `heartbeat ${feed.sequence} came at ${feed.now}, in time, yet behind the deadline ${deadline}`,
    );
    check(
      feed.detector.verdict(feed.now) === "alive",
      `it suspects the peer right after heartbeat ${feed.sequence}`,
    );
  }
}

function suspectsSilence(subject: DetectorUnderTest): void {
  const { detector } = new Feed(subject).beats(200);
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
  const feed = new Feed(subject);
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
  const feed = new Feed(subject).beats(200);
  feed.lose(Math.ceil((feed.detector.nextDeadline() - feed.now) / subject.intervalMs) + 20);
  const silentUntil = feed.now + (feed.detector.nextDeadline() - feed.now) * 2;
  check(feed.detector.verdict(silentUntil) === "suspect", "it does not suspect a silent peer");
  // It may take a few heartbeats to believe the path again.
  feed.beats(20);
  check(
    feed.detector.verdict(feed.now) === "alive",
    "20 regular heartbeats after a silence it still suspects the peer",
  );
}

function ignoresOldHeartbeats(subject: DetectorUnderTest): void {
  const feed = new Feed(subject).beats(200);
  const deadline = feed.detector.nextDeadline();
  for (const sequence of [feed.sequence, feed.sequence - 1, feed.sequence - 100, 0])
    feed.detector.heard(deadline + 1, sequence);
  check(
    feed.detector.verdict(deadline + 1) === "suspect",
    "an old heartbeat, arriving late, restored trust",
  );
}

function movesByStalls(subject: DetectorUnderTest): void {
  const feed = new Feed(subject).beats(200);
  const deadline = feed.detector.nextDeadline();
  const gapMs = 3 * (deadline - feed.now);
  feed.detector.stalled(feed.now + gapMs, gapMs);
  near(feed.detector.nextDeadline(), deadline + gapMs, `a stall of ${gapMs} ms moved the deadline`);
}

function isUnchangedByQuestions(subject: DetectorUnderTest): void {
  const [asked, quiet] = [new Feed(subject), new Feed(subject)];
  for (let i = 0; i < 300; i++) {
    asked.beat();
    quiet.beat();
    for (const at of [asked.now, asked.now + subject.intervalMs, asked.now + 1e6])
      asked.detector.verdict(at);
    check(
      asked.detector.nextDeadline() === quiet.detector.nextDeadline(),
      `heartbeat ${i}: asking for the verdict changed the deadline`,
    );
  }
}

function ignoresTheOrigin(subject: DetectorUnderTest): void {
  const [near0, far] = [new Feed(subject, 0), new Feed(subject, 1e9)];
  near0.beats(500);
  far.beats(500);
  near(
    far.detector.nextDeadline() - 1e9,
    near0.detector.nextDeadline(),
    "10^9 ms later the same heartbeats gave the deadline",
  );
}

function staysFinite(subject: DetectorUnderTest): void {
  const random = seededRandom(subject.seed ?? 1);
  const feed = new Feed(subject);
  for (let i = 0; i < 3000; i++) {
    const dice = random();
    if (dice < 0.1) feed.lose(Math.floor(random() * 20));
    else feed.beat(dice < 0.3 ? random() * 5 * subject.intervalMs : 0);
    const deadline = feed.detector.nextDeadline();
    check(Number.isFinite(deadline), `step ${i}: the deadline is ${deadline}`);
  }
}

function levelsGrow(subject: DetectorUnderTest): void {
  const { detector, now } = new Feed(subject).beats(200);
  if (!hasLevels(detector)) return;
  const deadline = detector.nextDeadline();
  near(detector.level(deadline), detector.threshold, "at the deadline the level is");
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
