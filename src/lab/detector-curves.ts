import { BertierDetector } from "../core/detectors/bertier-detector.ts";
import { type DelayLaw, exponentialDelay, lognormalDelay } from "../core/detectors/delay-law.ts";
import type { Detector } from "../core/detectors/detector.ts";
import { ExponentialAccrualDetector } from "../core/detectors/exponential-accrual-detector.ts";
import { FixedTimeoutDetector } from "../core/detectors/fixed-timeout-detector.ts";
import type { LossLaw } from "../core/detectors/loss-law.ts";
import { NfdEDetector } from "../core/detectors/nfd-e-detector.ts";
import { NfdSDetector } from "../core/detectors/nfd-s-detector.ts";
import { NfdUDetector } from "../core/detectors/nfd-u-detector.ts";
import { PhiAccrualDetector } from "../core/detectors/phi-accrual-detector.ts";
import { leastMistakesPerHour } from "../core/detectors/silence-bound.ts";
import { TwoWindowDetector } from "../core/detectors/two-window-detector.ts";
import type { HeartbeatStreamOptions } from "../testing/heartbeat-stream.ts";
import { type RecordedHeartbeat, RecordedStream } from "../testing/recorded-stream.ts";
import { openStream, type RecordedPath, simulateDetector } from "../testing/simulate-detector.ts";

/** A path on which detectors are compared: drawn by laws, or recorded. */
export interface Scenario {
  readonly id: string;
  readonly title: string;
  readonly intervalMs: number;
  readonly delay: DelayLaw;
  readonly loss: LossLaw;
  /** In TCP, and in a recording, the bound is counted instead of computed. */
  readonly transport: "datagram" | "tcp" | "recorded";
  /** Of a recording; its `delay` and `loss` are then what is known of them. */
  readonly recorded?: readonly RecordedHeartbeat[];
  /** Detection times looked at, as multiples of the interval. */
  readonly upTo: number;
}

export const SCENARIOS: readonly Scenario[] = [
  {
    id: "independent-losses",
    title: "1 % independent losses, delay 40 ms + exponential 5 ms",
    intervalMs: 100,
    delay: exponentialDelay(40, 5),
    loss: 0.01,
    transport: "datagram",
    upTo: 3.6,
  },
  {
    id: "bursts",
    title: "losses in bursts of 500 ms (1 % of the time) and 0.2 % between, log-normal delay",
    intervalMs: 100,
    delay: lognormalDelay(40, 2, 1),
    loss: { meanBurstMs: 500, burstShare: 0.01, lossBetween: 0.002 },
    transport: "datagram",
    upTo: 20,
  },
  {
    id: "in-tcp",
    title: "heartbeats inside a TCP connection that loses 2 % each way",
    intervalMs: 100,
    delay: exponentialDelay(20, 5),
    loss: 0.02,
    transport: "tcp",
    upTo: 8,
  },
];

export interface CurvePoint {
  /** The setting that made it, in words. */
  readonly setting: string;
  /** Mean detection time had the peer crashed right after it sent a heartbeat that arrived. */
  readonly detectionMs: number;
  readonly mistakesPerHour: number;
  readonly mistakes: number;
}

export interface Curve {
  readonly name: string;
  readonly isBound: boolean;
  readonly points: readonly CurvePoint[];
}

interface Setting {
  readonly text: string;
  readonly make: (now: number) => Detector;
}

/** The bound is a staircase of exponentials: its hull needs many points. */
const BOUND_STEPS = 280;
/** Fewer mistakes than these say nothing about their rate. */
const FEWEST_MISTAKES = 10;

export interface CurveEffort {
  /** Simulated for each point. */
  readonly heartbeats: number;
  /** Points of a detector's curve. */
  readonly steps: number;
  readonly seed: number;
}

/**
 * Mistakes against detection time for every detector on one path, and what none can undercut. Same
 * seed, same curves.
 */
export function detectorCurves(scenario: Scenario, effort: CurveEffort): Curve[] {
  const { heartbeats, steps, seed } = effort;
  const curves = Object.entries(families(scenario, steps)).map(([name, settings]): Curve => {
    const points = settings.map((setting) => measure(scenario, setting, heartbeats, seed));
    return {
      name,
      isBound: false,
      points: points.filter(({ mistakes }) => mistakes >= FEWEST_MISTAKES),
    };
  });
  return [
    lowerBound(scenario, heartbeats, seed),
    ...curves.filter(({ points }) => points.length > 0),
  ];
}

function pathOf(scenario: Scenario, seed: number): HeartbeatStreamOptions | RecordedPath {
  const { intervalMs, delay, loss, transport, recorded } = scenario;
  return recorded
    ? { intervalMs, recorded, seed }
    : { intervalMs, delay, loss, seed, transport: transport === "tcp" ? "tcp" : "datagram" };
}

function sentOf({ recorded }: Scenario, heartbeats: number): number {
  return recorded ? Math.min(heartbeats, new RecordedStream(recorded).lastSequence) : heartbeats;
}

function measure(
  scenario: Scenario,
  { text, make }: Setting,
  heartbeats: number,
  seed: number,
): CurvePoint {
  const { detection, qos } = simulateDetector({
    ...pathOf(scenario, seed),
    heartbeats,
    detector: make,
  });
  return {
    setting: text,
    detectionMs: detection.meanMs,
    mistakesPerHour: qos.mistakesPerHour,
    mistakes: qos.mistakes,
  };
}

/**
 * Fewest mistakes at a mean detection time. For one fixed time they are exact for datagrams, and
 * counted on the arrivals in TCP, for which no formula is exact. A detector may take longer after
 * one heartbeat than after another and so mix two times, hence the convex hull. Where what was
 * before tells what comes, as in TCP and on real paths, a detector with a memory can do better:
 * there it is a yardstick only.
 */
function lowerBound(scenario: Scenario, heartbeats: number, seed: number): Curve {
  const { intervalMs, delay, loss } = scenario;
  const hours = (sentOf(scenario, heartbeats) * intervalMs) / 3_600_000;
  const times = targets(scenario, BOUND_STEPS);
  const mistakesPerHour =
    scenario.transport !== "datagram"
      ? silences(scenario, heartbeats, seed, times).map((count) => count / hours)
      : times.map((detectWithinMs) =>
          leastMistakesPerHour({ detectWithinMs, intervalMs, delay, loss }),
        );
  const points = times.map((detectionMs, at): CurvePoint => {
    const perHour = mistakesPerHour[at] ?? 0;
    const setting = `suspected ${Math.round(detectionMs)} ms after the last sending`;
    return {
      setting,
      detectionMs,
      mistakesPerHour: perHour,
      mistakes: Math.round(perHour * hours),
    };
  });
  const name = scenario.transport === "datagram" ? "lower bound" : "bound without memory";
  return {
    name,
    isBound: true,
    points: lowerHull(points.filter(({ mistakes }) => mistakes >= FEWEST_MISTAKES)),
  };
}

/**
 * For each time: how many heartbeats had arrived so long after their sending while no newer one
 * had.
 */
function silences(
  scenario: Scenario,
  heartbeats: number,
  seed: number,
  times: readonly number[],
): number[] {
  const counts = times.map(() => 0);
  const least = times[0] ?? 0;
  const stream = openStream(pathOf(scenario, seed));
  const last = sentOf(scenario, heartbeats);
  let [newest, sentAt, arrivedAt] = [-1, 0, 0];
  while (newest < last) {
    stream.next();
    if (stream.sequence <= newest) continue;
    const silentMs = stream.arrivedAt - sentAt;
    if (newest >= 0 && silentMs > least) {
      const ownMs = arrivedAt - sentAt;
      times.forEach((time, at) => {
        if (ownMs <= time && time < silentMs) counts[at] = (counts[at] ?? 0) + 1;
      });
    }
    [newest, sentAt, arrivedAt] = [stream.sequence, stream.sentAt, stream.arrivedAt];
  }
  return counts;
}

/** Andrew's monotone chain, the lower half: points come in the order of their detection times. */
function lowerHull(points: readonly CurvePoint[]): CurvePoint[] {
  const hull: CurvePoint[] = [];
  for (const point of points) {
    for (;;) {
      const [before, last] = hull.slice(-2);
      if (!before || !last) break;
      const slopeTo = (to: CurvePoint): number =>
        (to.mistakesPerHour - before.mistakesPerHour) / (to.detectionMs - before.detectionMs);
      if (slopeTo(last) < slopeTo(point)) break;
      hull.pop();
    }
    hull.push(point);
  }
  return hull;
}

/** Closer where detection is quick: there the rate falls fast. */
function targets({ intervalMs, delay, upTo }: Scenario, steps: number): number[] {
  const from = intervalMs + delay.meanMs + 0.1 * intervalMs;
  return Array.from(
    { length: steps },
    (_, i) => from + (upTo * intervalMs - from) * (i / (steps - 1)) ** 1.5,
  );
}

/** The bound at this detection time, where the curve reaches it. */
export function boundAt(bound: Curve, detectionMs: number): number | null {
  const at = bound.points.findIndex((point) => point.detectionMs >= detectionMs);
  const [low, high] = [bound.points[at - 1], bound.points[at]];
  if (!low || !high) return null;
  const share = (detectionMs - low.detectionMs) / (high.detectionMs - low.detectionMs);
  return low.mistakesPerHour + share * (high.mistakesPerHour - low.mistakesPerHour);
}

/** Every detector over its settings. */
function families(scenario: Scenario, steps: number): Record<string, Setting[]> {
  const { intervalMs, delay } = scenario;
  const by = (make: (detectionMs: number, now: number) => Detector): Setting[] =>
    targets(scenario, steps).map((detectionMs) => ({
      text: `aimed at ${Math.round(detectionMs)} ms`,
      make: (now) => make(detectionMs, now),
    }));
  const levels = (
    from: number,
    to: number,
    make: (threshold: number, now: number) => Detector,
  ): Setting[] =>
    Array.from({ length: steps }, (_, i) => from * (to / from) ** (i / (steps - 1))).map(
      (threshold) => ({
        text: `threshold ${threshold.toPrecision(3)}`,
        make: (now) => make(threshold, now),
      }),
    );
  const margin = (detectionMs: number): number =>
    Math.max(0, detectionMs - intervalMs - delay.meanMs);
  return {
    "fixed timeout": by(
      (ms, now) => new FixedTimeoutDetector({ timeoutMs: ms - delay.meanMs }, now),
    ),
    "NFD-S": by((ms) => new NfdSDetector({ intervalMs, shiftMs: ms - intervalMs, epoch: 0 })),
    "NFD-U": by(
      (ms) => new NfdUDetector({ intervalMs, marginMs: margin(ms), firstExpectedAt: delay.meanMs }),
    ),
    "NFD-E": by(
      (ms, now) => new NfdEDetector({ intervalMs, marginMs: margin(ms), samples: 1000 }, now),
    ),
    "two windows": by(
      (ms, now) => new TwoWindowDetector({ intervalMs, marginMs: margin(ms) }, now),
    ),
    Bertier: [
      { text: "its fixed settings", make: (now) => new BertierDetector({ intervalMs }, now) },
    ],
    "phi, normal": levels(
      2,
      300,
      (threshold, now) =>
        new PhiAccrualDetector({ intervalMs, threshold, leastDeviationMs: 1 }, now),
    ),
    "phi, logistic": levels(
      2,
      300,
      (threshold, now) =>
        new PhiAccrualDetector(
          { intervalMs, threshold, leastDeviationMs: 1, law: "logistic" },
          now,
        ),
    ),
    exponential: levels(
      0.5,
      10,
      (threshold, now) => new ExponentialAccrualDetector({ intervalMs, threshold }, now),
    ),
  };
}
