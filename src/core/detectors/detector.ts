import type { Instant } from "../time/instant.ts";

export type Verdict = "alive" | "suspect";

/**
 * Turns the arrivals of numbered heartbeats into suspicion. Sans-I/O: instants come in, the next
 * deadline goes out; a detector holds no timer and reads no clock. Its construction counts as a
 * heartbeat heard: a peer that never sends one is suspected too.
 *
 * Heartbeats are numbered by their sender, by 1 each; lost ones leave a gap, late ones arrive out
 * of order. A detector serves one connection: a peer that starts to count anew gets a new detector.
 */
export interface Detector {
  /**
   * What happened: heartbeat number `sequence` arrived. A repeated or overtaken one never restores
   * trust.
   */
  heard(now: Instant, sequence: number): void;
  /**
   * What happened: this process stood still for `gapMs` until `now` and could not have heard
   * anything. The deadline moves by the gap.
   */
  stalled(now: Instant, gapMs: number): void;
  /**
   * The instant at which suspicion begins unless a heartbeat comes first. It lies in the past while
   * the peer is suspected.
   */
  nextDeadline(): Instant;
  /** `suspect` from {@link nextDeadline} on. */
  verdict(now: Instant): Verdict;
}

/**
 * A detector whose suspicion has degrees: the program may act at a lower level than the one that
 * gives the verdict.
 */
export interface AccrualDetector extends Detector {
  /**
   * Suspicion now: 0 after a heartbeat, grows without bound; n claims that a live peer is this
   * silent with probability 10^-n.
   */
  level(now: Instant): number;
}

export function verdictAt(now: Instant, deadline: Instant): Verdict {
  return now >= deadline ? "suspect" : "alive";
}
