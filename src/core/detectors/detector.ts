import type { Instant } from "../time/instant.ts";

export type Verdict = "alive" | "suspect";

/**
 * Turns the arrivals of numbered heartbeats into suspicion. Sans-I/O: instants come in, the next
 * deadline goes out. A detector holds no timer and reads no clock. Its construction counts as a
 * heartbeat heard, so a peer that never sends a heartbeat is suspected too.
 *
 * The sender numbers its heartbeats, each by 1 more. Lost heartbeats leave a gap, late ones arrive
 * out of order. A detector serves one connection: a peer that starts to count anew gets a new
 * detector.
 */
export interface Detector {
  /**
   * Records that heartbeat number `sequence` arrived. A repeated or overtaken heartbeat never
   * restores trust.
   */
  heard(now: Instant, sequence: number): void;
  /**
   * Records that this process stood still for `gapMs` until `now`, and could not have heard
   * anything. The deadline moves by the gap.
   */
  stalled(now: Instant, gapMs: number): void;
  /**
   * Returns the instant at which suspicion begins unless a heartbeat comes first. While the peer is
   * suspected, the instant lies in the past.
   */
  nextDeadline(): Instant;
  /** Returns `suspect` from {@link nextDeadline} on. */
  verdict(now: Instant): Verdict;
}

/**
 * A detector whose suspicion has degrees: the program may act at a lower level than the level of
 * the verdict.
 */
export interface AccrualDetector extends Detector {
  /**
   * Returns the level of suspicion: 0 after a heartbeat, growing without bound. Level n claims that
   * a live peer is silent for so long with probability 10^-n.
   */
  level(now: Instant): number;
}

export function verdictAt(now: Instant, deadline: Instant): Verdict {
  return now >= deadline ? "suspect" : "alive";
}
