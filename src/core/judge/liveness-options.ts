import type { Answers } from "./answers.ts";
import type { PathLoss } from "./path-loss.ts";

/** What a judge of one connection is told before it begins. */
export interface LivenessOptions {
  readonly budgetMs: number;
  /** TCP_RTO_MAX_MS as applied, `null` where the kernel has none. */
  readonly rtoMaxMs: number | null;
  /** False alarms accepted, a connection and year; default one in a million connection-hours. */
  readonly falseAlarmsPerYear?: number;
  /**
   * `"end"`: two unanswered attempts do where the budget is over, whatever the path is believed to
   * lose. Default `"wait"`.
   */
  readonly atDeadline?: "wait" | "end";
  /**
   * Whether some attempts must have outlasted an outage that is promised to be survived also where
   * the budget is over; default `true`.
   */
  readonly mustOutlastOutages?: boolean;
  /**
   * The backoff beyond which the kernel does not double its timeout (net.ipv4.tcp_retries2);
   * default unknown.
   */
  readonly lastBackoff?: number;
  /** Retransmissions in all when the peer was last heard; default unknown. */
  readonly repeatedBefore?: number | undefined;
  /**
   * So many attempts that are unanswered in the first reading left before anybody asked on our
   * behalf; default all of them.
   */
  readonly found?: number;
  /** What is known of the path's losses, and learned on; default nothing. */
  readonly loss?: PathLoss;
  /**
   * What is known of how the peer answers probes, and learned on; default nothing, so that
   * unanswered ones prove nothing.
   */
  readonly answers?: Answers;
}
