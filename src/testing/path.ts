import type { DelayLaw } from "../core/detectors/delay-law.ts";
import type { LossLaw } from "../core/detectors/loss-law.ts";
import { type EpisodeLaw, Episodes } from "./episodes.ts";
import { LossProcess } from "./loss-process.ts";

/** One direction of a path. */
export interface PathLaw {
  /** One-way delay of a packet that arrives. */
  readonly delay: DelayLaw;
  /** Default 0. */
  readonly loss?: LossLaw;
  /** Times in which everything is lost; default: none. */
  readonly outages?: EpisodeLaw;
}

/** One direction of a path, with the random numbers that decide loss and delay. */
export class Path {
  readonly delay: DelayLaw;
  readonly #random: () => number;
  readonly #loss: LossProcess;
  readonly #outages: Episodes | null;

  constructor(law: PathLaw, random: () => number) {
    this.delay = law.delay;
    this.#random = random;
    this.#loss = new LossProcess(law.loss ?? 0, random);
    this.#outages = law.outages ? new Episodes(law.outages, random) : null;
  }

  /** Draws whether a packet sent at `at` is lost. */
  isLost(at: number): boolean {
    if (this.#outages !== null && this.#outages.endOf(at) > at) return true;
    return this.#loss.isLost(at);
  }

  /** Draws the delay of a packet. */
  delayMs(): number {
    return this.delay.quantile(this.#random());
  }
}
