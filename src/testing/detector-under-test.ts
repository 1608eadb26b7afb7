import type { Detector } from "../core/detectors/detector.ts";
import { seededRandom } from "./seeded-random.ts";

export interface DetectorUnderTest {
  /**
   * Makes a fresh detector at this instant. The first heartbeat, number 0, is sent `intervalMs`
   * later.
   */
  readonly make: (now: number) => Detector;
  readonly intervalMs: number;
  /** Default 1. */
  readonly seed?: number;
}

/**
 * A detector that is fed regular heartbeats. They come up to 2 % of the interval late: without any
 * lateness, a detector that learns the lateness would allow none.
 */
export class FedDetector {
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

  /** Delivers the next heartbeat, `lateMs` after its time. */
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
