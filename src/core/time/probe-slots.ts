import type { Instant } from "./instant.ts";

/**
 * The kernel's timers between one and four seconds fire together in slots of 64 ms (HZ=1000) or
 * 32 ms (HZ=250).
 */
const SLOT_MS = 64;
const SLOTS = 1024;
/**
 * Fewer probes than this are harmless together: a queue of the kernel holds 1000 packets
 * (net.core.netdev_max_backlog, txqueuelen).
 */
const HARMLESS = 100;
/**
 * Standard deviations above its fair share at which a slot is crowded: it holds more probes than
 * chance would give it.
 */
const BEYOND_CHANCE = 6;

/**
 * Counts the keepalive probes that are due in each moment to come. Connections that were opened or
 * heard together are probed together. When thousands of probes leave at once, the kernel's queues
 * drop some of them, which then looks like a dead peer.
 */
export class ProbeSlots {
  readonly #counts: Int32Array = new Int32Array(SLOTS);
  /** The moment that each slot counts for. Moments use the slots in turn. */
  readonly #moments: Int32Array = new Int32Array(SLOTS);

  /**
   * Reserves a probe at `at`. Returns `false` when that moment is crowded, given that `connections`
   * are probed every `periodMs`.
   */
  reserve(at: Instant, connections: number, periodMs: number): boolean {
    const moment = Math.floor(at / SLOT_MS);
    const slot = moment & (SLOTS - 1);
    if (this.#moments[slot] !== (moment | 0)) {
      this.#moments[slot] = moment;
      this.#counts[slot] = 0;
    }

    const count = this.#counts[slot] ?? 0;
    const fair = (connections * SLOT_MS) / periodMs;
    if (count >= HARMLESS && count >= fair + BEYOND_CHANCE * Math.sqrt(fair)) return false;
    this.#counts[slot] = count + 1;
    return true;
  }
}
