import type { TcpInfo } from "../tcp-info.ts";
import type { Instant } from "../time/instant.ts";

/**
 * Keeps for how long a peer's data has come steadily, as far as readings show. A steady sender was
 * never probed, and does not fall silent without a cause.
 */
export class SteadyData {
  /** When data came last, and since when without a quiet second. */
  #at: Instant = Number.NEGATIVE_INFINITY;
  #from: Instant = 0;
  #isQuiet = true;

  get steadyMs(): number {
    return this.#at - this.#from;
  }

  observe(now: Instant, { lastDataReceivedMs = Number.POSITIVE_INFINITY }: TcpInfo): void {
    if (lastDataReceivedMs > QUIET_MS) {
      this.#isQuiet = true;
      return;
    }

    const at = now - lastDataReceivedMs;
    if (this.#isQuiet) this.#from = at;
    this.#isQuiet = false;
    this.#at = at;
  }
}

/** A second without data is quiet: the kernel then probes, and the answer can be seen. */
const QUIET_MS = 1000;
