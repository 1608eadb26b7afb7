import type { State } from "../diagnosis.ts";
import type { TcpInfo } from "../tcp-info.ts";
import type { Instant } from "../time/instant.ts";
import type { PathLoss } from "./path-loss.ts";
import type { Flow } from "./reading.ts";
import type { EndedSilence, Silence } from "./silence.ts";

/**
 * What the judge makes of the readings so far, and what it wants done next. One value for everybody
 * who acts on it: watch, guard, audit, and the diagnosis.
 */
export interface Judgement {
  readonly state: State;
  readonly flow: Flow;
  readonly info: TcpInfo;
  readonly heardAt: Instant;
  /** Attempts to reach the peer that went unanswered since. */
  readonly unanswered: number;
  /** The instant of the first of them. */
  readonly firstUnansweredAt: Instant;
  /** They failed on this host, and say nothing of the peer. */
  readonly failedHere: boolean;
  /** Nothing is unanswered, and no probe on demand is under way. */
  readonly isUnquestioned: boolean;
  /** The peer is heard, yet what we send does not reach it. */
  readonly isHeardWithoutProgress: boolean;
  /** The budget is over, and what stayed unanswered does not prove death yet. */
  readonly isOverdue: boolean;
  /** `dead` although the proof was not complete when the budget ended. */
  readonly isRushed: boolean;
  /** In words, why what stays unanswered proves little or nothing; `null`: it proves. */
  readonly doubt: string | null;
  /** What stays unanswered proves nothing: the peer never showed that it answers such probes. */
  readonly isUnproven: boolean;
  /** The suspicion that the peer refuted when it was last heard. */
  readonly refuted: EndedSilence | null;
  readonly loss: PathLoss;
  readonly wants: Wants;
  /** When to take the next reading. */
  readonly lookAt: Instant;
  /**
   * A new judge, given the same reading and {@link loss}, would come to the same: nothing is
   * unanswered, and no loss waits to be learned.
   */
  readonly isForgettable: boolean;
  /** The silence behind all this, for a second judge. */
  readonly silence: Silence;
}

/** What the caller is to do. */
export interface Wants {
  /** Send a keepalive probe now, and report it with `nudged`. */
  readonly nudge: boolean;
  /** Silence after which the kernel's standing keepalive is to probe: TCP_KEEPIDLE. */
  readonly idleMs: number;
  /**
   * `leave`: keep the keepalive as it is. `follow`: set {@link idleMs} if it differs. `again`: set
   * all of it, since the standing probe was due and did not leave: somebody changed the options.
   */
  readonly keepalive: "leave" | "follow" | "again";
}
