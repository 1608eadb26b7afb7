import type { State } from "../diagnosis.ts";
import type { TcpInfo } from "../tcp-info.ts";
import type { Instant } from "../time/instant.ts";
import type { PathLoss } from "./path-loss.ts";
import type { Flow } from "./reading.ts";
import type { EndedSilence } from "./silence.ts";

/**
 * The verdict of the readings so far, and what is to be done next. Watch, guard, audit and the
 * diagnosis all act on this one value.
 */
export interface Judgement {
  readonly state: State;
  readonly flow: Flow;
  readonly info: TcpInfo;
  readonly heardAt: Instant;
  /** Attempts to reach the peer that went unanswered since `heardAt`. */
  readonly unanswered: number;
  /** The instant of the first unanswered attempt. */
  readonly firstUnansweredAt: Instant;
  /** The attempts failed on this host, and say nothing about the peer. */
  readonly failedHere: boolean;
  /** Nothing is unanswered, and no probe on demand is under way. */
  readonly isUnquestioned: boolean;
  /** The peer is heard, yet what we send does not reach it. */
  readonly isHeardWithoutProgress: boolean;
  /** The peer repeats itself: it does not hear us. */
  readonly isDeaf: boolean;
  /** The budget has ended, and the unanswered attempts do not prove death yet. */
  readonly isOverdue: boolean;
  /** `dead` although the proof was not complete when the budget ended. */
  readonly isRushed: boolean;
  /** An attempt is unanswered that left when an outage that is to be survived must be over. */
  readonly isOutlasted: boolean;
  /** How late answers come on this path, beyond what its round trip shows; 0: no later. */
  readonly lateMs: number;
  /** Why the unanswered probes prove little or nothing, in words; `null`: they prove. */
  readonly doubt: string | null;
  /**
   * Unanswered attempts prove nothing: the peer never showed that it answers such probes, or what
   * is in flight may be too large for the path.
   */
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
}

/** The actions that the judge wants from its caller. */
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
