import type { Answers, Siblings } from "./answers.ts";
import type { MtuProbing } from "./full-size.ts";
import type { PathDelay } from "./path-delay.ts";
import type { PathLoss } from "./path-loss.ts";

/** The settings of the judge of one connection, and what is known before its first reading. */
export interface LivenessOptions {
  readonly budgetMs: number;
  /** The longest outage that must not end the connection; default 0.4 of the budget. */
  readonly surviveOutageMs?: number | undefined;
  /** TCP_RTO_MAX_MS as applied; `null` where the kernel has none. */
  readonly rtoMaxMs: number | null;
  /** Accepted false alarms per connection and year; default one in a million connection-hours. */
  readonly falseAlarmsPerYear?: number;
  /**
   * Decides what happens when the budget ends before the proof is complete. `"wait"`, the default:
   * the verdict waits for the proof. `"end"`: two unanswered attempts suffice, whatever the path is
   * believed to lose.
   */
  readonly atDeadline?: "wait" | "end";
  /**
   * Requires attempts that outlast the longest survived outage even after the budget has ended;
   * default `true`.
   */
  readonly mustOutlastOutages?: boolean;
  /**
   * The backoff at which the kernel stops doubling its timeout (net.ipv4.tcp_retries2); default
   * unknown.
   */
  readonly lastBackoff?: number;
  /** How this host searches for the size of segments that passes; default: it does not. */
  readonly mtuProbing?: MtuProbing;
  /** TCP_KEEPIDLE of the socket, in ms; default what the first plan wants. */
  readonly standingIdleMs?: number | undefined;
  /** Total of retransmissions when the peer was last heard; default unknown. */
  readonly repeatedBefore?: number | undefined;
  /**
   * How many of the unanswered attempts in the first reading left before the watch began; default
   * all of them.
   */
  readonly found?: number;
  /** What is known about the path's losses; the judge adds to it. Default nothing. */
  readonly loss?: PathLoss;
  /**
   * Readings go on after a silence has ended, so that a loss can wait until it is told from
   * lateness; default `true`.
   */
  readonly goesOn?: boolean;
  /** What is known about late answers; the judge adds to it. Default nothing. */
  readonly delay?: PathDelay;
  /**
   * What is known about how the peer answers probes; the judge adds to it. Default nothing, so that
   * unanswered probes prove nothing.
   */
  readonly answers?: Answers;
  /** The connections that learn together how the peer answers probes; default none. */
  readonly siblings?: Siblings;
}
