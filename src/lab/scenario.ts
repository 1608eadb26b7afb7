import { type DelayLaw, exponentialDelay, lognormalDelay } from "../core/detectors/delay-law.ts";
import type { LossLaw } from "../core/detectors/loss-law.ts";
import type { HeartbeatStreamOptions } from "../testing/heartbeat-stream.ts";
import { type RecordedHeartbeat, RecordedStream } from "../testing/recorded-stream.ts";
import type { RecordedPath } from "../testing/simulate-detector.ts";

/** A path on which detectors are compared: drawn by laws, or recorded. */
export interface Scenario {
  readonly id: string;
  readonly title: string;
  readonly intervalMs: number;
  readonly delay: DelayLaw;
  readonly loss: LossLaw;
  /** For `tcp` and `recorded` the bound is counted, for `datagram` it is computed. */
  readonly transport: "datagram" | "tcp" | "recorded";
  /** The recording; `delay` and `loss` then hold what is known of its path. */
  readonly recorded?: readonly RecordedHeartbeat[];
  /** Longest detection time that is simulated, as a multiple of the interval. */
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

/** Returns the path of a scenario as the simulation takes it. */
export function pathOf(scenario: Scenario, seed: number): HeartbeatStreamOptions | RecordedPath {
  const { intervalMs, delay, loss, transport, recorded } = scenario;
  return recorded
    ? { intervalMs, recorded, seed }
    : { intervalMs, delay, loss, seed, transport: transport === "tcp" ? "tcp" : "datagram" };
}

/** Returns how many heartbeats are sent: `heartbeats`, or fewer when the recording is shorter. */
export function sentOf({ recorded }: Scenario, heartbeats: number): number {
  return recorded ? Math.min(heartbeats, new RecordedStream(recorded).lastSequence) : heartbeats;
}

/**
 * Returns the detection times to try, in ms. They lie closer together where detection is quick,
 * because the rate of mistakes falls fast there.
 */
export function targetsMs({ intervalMs, delay, upTo }: Scenario, steps: number): number[] {
  const from = intervalMs + delay.meanMs + 0.1 * intervalMs;
  return Array.from(
    { length: steps },
    (_, i) => from + (upTo * intervalMs - from) * (i / (steps - 1)) ** 1.5,
  );
}
