import type { Detector } from "../core/detectors/detector.ts";
import { DetectorQos, type DetectorQosReport } from "../core/detectors/detector-qos.ts";
import { type EpisodeLaw, Episodes } from "./episodes.ts";
import { HeartbeatStream, type HeartbeatStreamOptions } from "./heartbeat-stream.ts";
import { type RecordedHeartbeat, RecordedStream } from "./recorded-stream.ts";
import { seededRandom } from "./seeded-random.ts";

/** A path that was recorded, not drawn. */
export interface RecordedPath {
  readonly intervalMs: number;
  readonly recorded: readonly RecordedHeartbeat[];
  /** Decides the stalls of the monitor, which are drawn here too. */
  readonly seed: number;
}

export type SimulationOptions = SimulationRun & (HeartbeatStreamOptions | RecordedPath);

export interface SimulationRun {
  /** Makes the detector under test at the start of the stream. */
  readonly detector: (now: number) => Detector;
  /** Number of heartbeats sent. Mistakes within the first `warmUp` of them do not count. */
  readonly heartbeats: number;
  /** Default 2000, or a tenth of `heartbeats` if less. */
  readonly warmUp?: number;
  /**
   * Times in which the monitoring process stands still. At the end the detector gets `stalled`, and
   * then the heartbeats that came meanwhile.
   */
  readonly monitorStalls?: EpisodeLaw;
}

export interface SimulationReport {
  /** Heartbeats that arrived after the warm-up. */
  readonly received: number;
  /** Quality of service of the detector: all its suspicions are mistakes, since the peer lives. */
  readonly qos: DetectorQosReport;
  /**
   * Detection time of a peer that crashes right after sending a heartbeat, the worst moment to
   * crash. Taken over all heartbeats that arrived after the warm-up.
   */
  readonly detection: {
    readonly meanMs: number;
    readonly p50Ms: number;
    readonly p99Ms: number;
    readonly worstMs: number;
  };
}

/**
 * Runs a detector against a live peer behind a bad path, in virtual time. Simulates more than a
 * million heartbeats a second.
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

/** Opens the arrivals of a drawn or a recorded path. */
export function openStream(
  path: HeartbeatStreamOptions | RecordedPath,
): HeartbeatStream | RecordedStream {
  return "recorded" in path ? new RecordedStream(path.recorded) : new HeartbeatStream(path);
}

/** Detection times kept for the quantiles. */
const MOST_SAMPLES = 65_536;

/** One simulation: the detector, and the record of its verdicts. */
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
  #checkedAt = 0;
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
    if (now > this.#checkedAt) this.#settle(now);

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
    this.#checkedAt = now;
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
   * Records the verdicts from the last check until now. By now every heartbeat that arrived in the
   * instant of the last check is heard. As in a real event loop, no verdict falls between two
   * heartbeats that were read together.
   */
  #settle(now: number): void {
    const deadline = this.#detector.nextDeadline();
    if (!this.#isTrusted && deadline > this.#checkedAt) {
      this.#isTrusted = true;
      this.#qos.trusted(this.#checkedAt);
    }
    if (this.#isTrusted && deadline <= now) {
      this.#isTrusted = false;
      this.#qos.suspected(Math.max(deadline, this.#checkedAt), this.#heardAt);
    }
  }

  /**
   * Applies the stalls of this process since the last check, and returns the instant at which the
   * arrival is heard. No verdict falls during a stall, and the deadline moves by its length.
   */
  #stallUntil(stalls: Episodes, arrivedAt: number): number {
    const begin = stalls.beginBetween(this.#checkedAt, arrivedAt);
    if (begin === null) return Math.max(arrivedAt, this.#checkedAt);

    this.#settle(begin);
    const end = stalls.endOf(begin);
    this.#detector.stalled(end, end - begin);
    this.#checkedAt = end;
    return this.#stallUntil(stalls, arrivedAt);
  }

  /**
   * Samples the detection time of a crash right after the newest heartbeat. The deadline just
   * before the next heartbeat comes is the one that would then have stood for ever.
   */
  #sampleDetection(deadline: number): void {
    const detectionMs = Math.max(0, deadline - this.#sentAt);
    this.#detectionSum += detectionMs;
    if (detectionMs > this.#worst) this.#worst = detectionMs;
    if (this.#detections++ % this.#stride === 0) this.#samples.push(detectionMs);
  }
}
