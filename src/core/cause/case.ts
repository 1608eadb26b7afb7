import type { Cause, Certainty, LocalPath, OtherConnections, State } from "../diagnosis.ts";
import type { Flow } from "../judge/reading.ts";
import type { TcpInfo } from "../tcp-info.ts";

/**
 * The facts about a connection that a diagnosis rests on. The rules, in their order:
 * docs/internals/evidence.md#the-rules.
 */
export interface Case {
  readonly state: State;
  readonly flow: Flow;
  readonly info: TcpInfo | null;
  readonly localPath: LocalPath | null;
  readonly others: OtherConnections | null;
  /** How long ago the peer was last heard; `null` where nothing shows it. */
  readonly silentForMs: number | null;
  readonly unansweredAttempts: number;
  /** The unanswered attempts failed on this host. */
  readonly areAttemptsLocal: boolean;
  readonly lossRatio: number;
  readonly isLossy: boolean;
  /** The suspicion that was refuted just now. */
  readonly refuted: { readonly attempts: number; readonly silentForMs: number } | null;
  /** Our data in flight makes no progress although the peer is heard. */
  readonly isHeardWithoutProgress: boolean;
  /** The peer repeats what we acknowledged: our acknowledgments do not reach it either. */
  readonly isDeaf: boolean;
  /** The budget ended before the proof was complete. */
  readonly isRushed: boolean;
  /** Keepalive runs on this connection, so that its silence means something. */
  readonly isQuestioned: boolean;
  /** How long the process behind the peer has left a heartbeat unanswered; `null`: it has not. */
  readonly processSilentForMs: number | null;
  /** The process behind the peer never answered a heartbeat: its silence proves nothing. */
  readonly isProcessMute?: boolean;
  /** How long this process stood still just now; `null`: it did not. */
  readonly pausedForMs: number | null;
  /**
   * The socket of this host that answers in the peer's place, `address:port`: a proxy has taken the
   * connection. Default: none is known.
   */
  readonly localProxy?: string | null;
  /** Why unanswered probes prove nothing here, in words; default: they prove. */
  readonly doubt?: string | null;
  /** TCP_RTO_MAX_MS caps the backoff of window probes. */
  readonly hasRtoCap: boolean;
}

/** The cause that the rules found, and the words for it. */
export interface Finding {
  readonly cause: Cause;
  readonly certainty: Certainty;
  readonly why: readonly string[];
  readonly unknown: readonly string[];
}
