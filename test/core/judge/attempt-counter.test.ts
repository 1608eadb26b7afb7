import { describe, expect, it } from "vitest";
import { ORDINARY_ANSWERS } from "../../../src/core/judge/answers.ts";
import { AttemptCounter } from "../../../src/core/judge/attempt-counter.ts";
import { PathTiming } from "../../../src/core/judge/path-timing.ts";
import { Progress } from "../../../src/core/judge/progress.ts";
import { type Reading, readingOf } from "../../../src/core/judge/reading.ts";
import type { TcpInfo } from "../../../src/core/tcp-info.ts";

const OUTAGE_MS = 2000;
/** When the standing probe is due at the latest. */
const STANDING_BY = 2070;
const LAST_BACKOFF = 15;

/** A path whose window probes are further apart than a peer's limit for answers. */
const SLOW_PATH = new PathTiming(5000, null);
SLOW_PATH.learn({ state: "ESTABLISHED", rttMs: 0.2, rtoMs: 700 });

/**
 * Hands readings to a counter as the judge does; data in flight makes no progress since
 * `progressAt`.
 */
class Readings {
  readonly counter: AttemptCounter = new AttemptCounter(OUTAGE_MS, 0, ORDINARY_ANSWERS);
  progressAt = 0;
  #last: Reading | number = 0;

  read(now: number, told: Partial<TcpInfo>): AttemptCounter {
    const reading = readingOf(now, { state: "ESTABLISHED", probes: 0, ...told }, this.#last);
    this.#last = reading;
    this.counter.observe(reading, {
      standingBy: STANDING_BY,
      lastBackoff: LAST_BACKOFF,
      unheard: 0,
      unheardAt: 0,
      timing: SLOW_PATH,
      progress: new Progress(this.progressAt, 0),
    });
    return this.counter;
  }
}

/** Returns what a counter shows, with the attempts that failed on this host. */
function seen(counter: AttemptCounter): object {
  return { ...counter.state(200), failing: counter.failing };
}

/** Requests a probe at `at`, after a standing probe that stayed unanswered. */
function nudgedAt(at: number): Readings {
  const readings = new Readings();
  readings.read(1000, {});
  readings.read(2300, { probes: 1 });
  readings.counter.nudged(at);
  return readings;
}

const BLOCKED: Partial<TcpInfo> = {
  unackedSegments: 0,
  notSentBytes: 500,
  sendWindowBytes: 0,
  sendMssBytes: 1448,
};
const STUCK: Partial<TcpInfo> = { ...BLOCKED, sendWindowBytes: 65_536 };
const IN_FLIGHT: Partial<TcpInfo> = {
  unackedSegments: 1,
  notSentBytes: 0,
  sendWindowBytes: 65_536,
  retransmittedSegments: 1,
};
const sentAgain = (times: number, lastDataSentMs: number): Partial<TcpInfo> => ({
  ...IN_FLIGHT,
  retransmits: times,
  backoff: times,
  totalRetransmits: times,
  lastDataSentMs,
});

describe("keepalive probes", () => {
  it("count as attempts, the first one no later than the standing probe is due", () => {
    const readings = new Readings();
    readings.read(1000, {});
    expect(readings.read(2300, { probes: 1 }).attempts).toMatchObject({
      count: 1,
      firstAt: STANDING_BY,
      areLocal: false,
    });
    expect(readings.read(3300, { probes: 2 }).attempts).toMatchObject({
      count: 2,
      firstAt: STANDING_BY,
      lastAt: 2300,
      lastAtLatest: 3300,
    });
  });

  it("do not count while data waits at an open window: the kernel's counter means something else then", () => {
    expect(new Readings().read(2300, { ...STUCK, probes: 4 }).attempts).toMatchObject({
      areLocal: true,
      count: 1,
    });
  });

  it("are forgotten when something refutes them", () => {
    const { counter } = nudgedAt(2700);
    counter.refuted();
    expect(seen(counter)).toMatchObject({
      isUnquestioned: true,
      isAwaitingNudge: false,
      failing: null,
    });
    expect(counter.attempts.count).toBe(0);
  });
});

describe("a probe on demand", () => {
  it("is an attempt from the moment of the request, once the kernel has counted it", () => {
    const readings = nudgedAt(2700);
    expect(seen(readings.read(2750, { probes: 1 }))).toMatchObject({
      isAwaitingNudge: true,
      attempts: { count: 1 },
    });
    expect(seen(readings.read(2790, { probes: 2 }))).toMatchObject({
      isAwaitingNudge: false,
      attempts: { count: 2, lastAt: 2700 },
    });
  });

  it("failed on this host when the kernel has not counted it 100 ms later, and does not count against the peer", () => {
    const readings = nudgedAt(2700);
    expect(readings.read(2799, { probes: 1 }).state(200).hasNudgeFailed).toBe(false);
    const counter = readings.read(2800, { probes: 1 });
    expect(seen(counter)).toMatchObject({
      hasNudgeFailed: true,
      attempts: { count: 1, areLocal: false },
      failing: { count: 1, areLocal: true },
    });
  });

  it("that leaves clears the failures before it", () => {
    const readings = nudgedAt(2700);
    readings.read(2800, { probes: 1 });
    readings.counter.nudged(3400);
    expect(seen(readings.read(3500, { probes: 2 }))).toMatchObject({
      hasNudgeFailed: false,
      failing: null,
      attempts: { count: 2 },
    });
  });

  it("is judged as a failure here when it fails from the start", () => {
    const readings = new Readings();
    readings.read(1000, {});
    readings.counter.nudged(2700);
    expect(seen(readings.read(2800, {}))).toMatchObject({
      failing: null,
      attempts: { count: 1, areLocal: true },
    });
  });

  it("is assumed to have left when the kernel does not count probes", () => {
    const readings = new Readings();
    readings.read(1000, { probes: undefined });
    readings.counter.nudged(2700);
    expect(seen(readings.counter)).toMatchObject({
      isAwaitingNudge: false,
      attempts: { count: 1, firstAt: 2700 },
    });
  });

  it("is checked before the kernel tries again by itself", () => {
    const { counter } = nudgedAt(2700);
    expect(counter.state(20).nudgeDueAt).toBe(2800);
    expect(counter.state(200).nudgeDueAt).toBe(2900);
    expect(counter.state(3000).nudgeDueAt).toBe(3100);
    counter.refuted();
    expect(counter.state(200).nudgeDueAt).toBe(Number.POSITIVE_INFINITY);
  });
});

describe("probes of a closed window", () => {
  it("are attempts when each doubles the time to the next one", () => {
    const readings = new Readings();
    readings.read(1000, { ...BLOCKED, probes: 1, backoff: 1 });
    expect(readings.read(3000, { ...BLOCKED, probes: 3, backoff: 3 }).attempts).toMatchObject({
      count: 3,
      areLocal: false,
    });
  });

  it("failed on this host when the time to the next one is not doubled", () => {
    const readings = new Readings();
    readings.read(1000, { ...BLOCKED, probes: 1, backoff: 1 });
    const counter = readings.read(3000, { ...BLOCKED, probes: 4, backoff: 1 });
    expect(seen(counter)).toMatchObject({
      attempts: { count: 1, areLocal: false },
      failing: { count: 3 },
    });
    // A probe leaves again. The failed ones do not count as attempts beside it.
    expect(seen(readings.read(4000, { ...BLOCKED, probes: 5, backoff: 2 }))).toMatchObject({
      attempts: { count: 2 },
      failing: null,
    });
  });

  it("are taken to have left when the kernel doubles no further", () => {
    const readings = new Readings();
    readings.read(1000, { ...BLOCKED, probes: 1, backoff: LAST_BACKOFF });
    expect(
      readings.read(3000, { ...BLOCKED, probes: 2, backoff: LAST_BACKOFF }).attempts,
    ).toMatchObject({ count: 2, areLocal: false });
  });
});

describe("data in flight", () => {
  it("is one attempt for each transmission", () => {
    const readings = new Readings();
    readings.progressAt = 1000;
    expect(readings.read(1100, sentAgain(0, 100)).attempts).toMatchObject({
      count: 1,
      firstAt: 1000,
    });
    expect(readings.read(2700, sentAgain(3, 100)).attempts).toMatchObject({
      count: 4,
      firstAt: 1000,
      lastAt: 2600,
    });
  });

  it("is no attempt when this host refused to send it", () => {
    const readings = new Readings();
    readings.read(1100, sentAgain(1, 100));
    const counter = readings.read(3000, {
      ...sentAgain(1, 100),
      retransmits: 4,
      retransmittedSegments: 0,
    });
    expect(seen(counter)).toMatchObject({
      attempts: { count: 2, areLocal: false },
      failing: { count: 3, areLocal: true },
    });
    // The next transmission leaves: it is the third that did.
    expect(seen(readings.read(3500, { ...sentAgain(2, 50), retransmits: 5 }))).toMatchObject({
      attempts: { count: 3 },
      failing: null,
    });
  });

  it("fails once for each try while it waits at an open window, however often it is read", () => {
    const readings = new Readings();
    for (let now = 1000; now <= 2300; now += 100)
      readings.read(now, { ...STUCK, lastDataSentMs: (now - 1000) % 500 });
    expect(readings.counter.attempts).toMatchObject({
      count: 3,
      areLocal: true,
      firstAt: 1000,
      // The try at 2500 may leave this host.
      lastAt: 2000,
    });
  });

  it("that was refused failed when the kernel made it, not when that is read", () => {
    const readings = new Readings();
    readings.read(1100, { ...sentAgain(1, 100), retransmits: 1 });
    const refused = { ...sentAgain(1, 400), retransmits: 4, retransmittedSegments: 0 };
    expect(seen(readings.read(3000, refused))).toMatchObject({
      failing: { count: 3, lastAt: 2600 },
    });
  });

  it("is judged by its failures here once this host is blamed", () => {
    const readings = new Readings();
    readings.read(1100, sentAgain(1, 100));
    readings.read(3000, { ...sentAgain(1, 100), retransmits: 4, retransmittedSegments: 0 });
    readings.counter.blamedHost();
    expect(seen(readings.counter)).toMatchObject({
      attempts: { count: 3, areLocal: true },
      failing: null,
    });
  });
});
