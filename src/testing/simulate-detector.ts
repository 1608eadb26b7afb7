import type { Detector } from "../core/detectors/detector.ts";
import { DetectorQos, type DetectorQosReport } from "../core/detectors/detector-qos.ts";
import { type EpisodeLaw, Episodes } from "./episodes.ts";
import { HeartbeatStream, type HeartbeatStreamOptions } from "./heartbeat-stream.ts";
import { type RecordedHeartbeat, RecordedStream } from "./recorded-stream.ts";
import { seededRandom } from "./seeded-random.ts";

/** A path that was recorded instead of drawn. */
export interface RecordedPath {
  readonly intervalMs: number;
  readonly recorded: readonly RecordedHeartbeat[];
  /** Only for what is drawn still: the stalls of the monitor. */
  readonly seed: number;
}

export type SimulationOptions = SimulationRun & (HeartbeatStreamOptions | RecordedPath);

export interface SimulationRun {
  /** Makes the detector under test at the start of the stream. */
  readonly detector: (now: number) => Detector;
  /** Heartbeats that are sent; what the detector does before `warmUp` of them does not count. */
  readonly heartbeats: number;
  /** Default 2000, or a tenth of the heartbeats if that is less. */
  readonly warmUp?: number;
  /**
   * Times in which the monitoring process stands still: it hears what came meanwhile when they end,
   * after `stalled` was called.
   */
  readonly monitorStalls?: EpisodeLaw;
}

export interface SimulationReport {
  /** Heartbeats that arrived after the warm-up. */
  readonly received: number;
  /** On the live peer. */
  readonly qos: DetectorQosReport;
  /**
   * Detection time had the peer crashed right after it sent a heartbeat, the worst moment to crash;
   * over all heartbeats that arrived.
   */
  readonly detection: {
    readonly meanMs: number;
    readonly p50Ms: number;
    readonly p99Ms: number;
    readonly worstMs: number;
  };
}

/**
 * Runs a detector against a live peer behind a bad path, in virtual time: some millions of
 * heartbeats a second.
 */
export function simulateDetector(options: SimulationOptions): SimulationReport {
  const stream = openStream(options);
  const heartbeats =
    stream instanceof RecordedStream
      ? Math.min(options.heartbeats, stream.lastSequence)
      : options.heartbeats;
  const warmUp = options.warmUp ?? Math.min(2000, heartbeats / 10);
  const run = new Run(options, warmUp);
  do {
    stream.next();
    run.arrived(stream.arrivedAt, stream.sequence, stream.sentAt);
  } while (stream.sequence < heartbeats);
  return run.report(stream.arrivedAt);
}

/** The arrivals on a drawn or on a recorded path. */
export function openStream(
  path: HeartbeatStreamOptions | RecordedPath,
): HeartbeatStream | RecordedStream {
  return "recorded" in path ? new RecordedStream(path.recorded) : new HeartbeatStream(path);
}

const MOST_SAMPLES = 65_536;

class Run {
  readonly #detector: Detector;
  readonly #qos: DetectorQos = new DetectorQos(0);
  readonly #stalls: Episodes | null;
  readonly #warmUp: number;
  readonly #samples: number[] = [];
  readonly #stride: number;
  #isWarm = false;
  #isTrusted = true;
  #heardAt = 0;
  #lookedAt = 0;
  #newest = -1;
  #sentAt = 0;
  #received = 0;
  #detections = 0;
  #detectionSum = 0;
  #worst = 0;

  constructor(options: SimulationOptions, warmUp: number) {
    this.#detector = options.detector(0);
    this.#warmUp = warmUp;
    this.#stalls = options.monitorStalls
      ? new Episodes(options.monitorStalls, seededRandom(options.seed ^ 0x165667b1))
      : null;
    this.#stride = Math.max(1, Math.ceil(options.heartbeats / MOST_SAMPLES));
  }

  arrived(arrivedAt: number, sequence: number, sentAt: number): void {
    const detector = this.#detector;
    const now = this.#stalls === null ? arrivedAt : this.#stallUntil(this.#stalls, arrivedAt);
    if (now > this.#lookedAt) this.#settle(now);
    if (sequence > this.#newest) {
      if (this.#isWarm) this.#sampleDetection(detector.nextDeadline());
      this.#newest = sequence;
      this.#sentAt = sentAt;
    }
    if (!this.#isWarm && sequence >= this.#warmUp) {
      this.#isWarm = true;
      this.#qos.restart(now);
    }
    detector.heard(now, sequence);
    this.#heardAt = now;
    this.#lookedAt = now;
    if (this.#isWarm) this.#received++;
  }

  report(now: number): SimulationReport {
    const sorted = this.#samples.sort((a, b) => a - b);
    const at = (share: number): number =>
      sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
    return {
      received: this.#received,
      qos: this.#qos.report(now),
      detection: {
        meanMs: this.#detectionSum / this.#detections,
        p50Ms: at(0.5),
        p99Ms: at(0.99),
        worstMs: this.#worst,
      },
    };
  }

  /**
   * What the detector said from the last look until now. All that arrived in the instant of the
   * last look is heard by then: as in a real event loop no verdict falls between two heartbeats
   * that were read together.
   */
  #settle(now: number): void {
    const deadline = this.#detector.nextDeadline();
    if (!this.#isTrusted && deadline > this.#lookedAt) {
      this.#isTrusted = true;
      this.#qos.trusted(this.#lookedAt);
    }
    if (this.#isTrusted && deadline <= now) {
      this.#isTrusted = false;
      this.#qos.suspected(Math.max(deadline, this.#lookedAt), this.#heardAt);
    }
  }

  /**
   * The process may have stood still since it last looked: no verdict falls meanwhile, and
   * deadlines move.
   */
  #stallUntil(stalls: Episodes, arrivedAt: number): number {
    const begin = stalls.beginBetween(this.#lookedAt, arrivedAt);
    if (begin === null) return Math.max(arrivedAt, this.#lookedAt);
    this.#settle(begin);
    const end = stalls.endOf(begin);
    this.#detector.stalled(end, end - begin);
    this.#lookedAt = end;
    return this.#stallUntil(stalls, arrivedAt);
  }

  /**
   * What was the deadline before the next heartbeat came would have stood for ever, had the peer
   * crashed after the newest one.
   */
  #sampleDetection(deadline: number): void {
    const detectionMs = Math.max(0, deadline - this.#sentAt);
    this.#detectionSum += detectionMs;
    if (detectionMs > this.#worst) this.#worst = detectionMs;
    if (this.#detections++ % this.#stride === 0) this.#samples.push(detectionMs);
  }
}
