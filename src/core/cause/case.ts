import type { Cause, Certainty, LocalPath, OtherConnections, State } from "../diagnosis.ts";
import type { Flow } from "../judge/reading.ts";
import type { TcpInfo } from "../tcp-info.ts";

/**
 * What is known of a connection at the moment of a diagnosis. The rules, in their order:
 * docs/internals/evidence.md#the-rules.
 */
export interface Case {
  readonly state: State;
  readonly flow: Flow;
  readonly info: TcpInfo | null;
  readonly localPath: LocalPath | null;
  readonly others: OtherConnections | null;
  /** Since the peer was last heard; `null` where nothing can tell. */
  readonly silentForMs: number | null;
  readonly unansweredAttempts: number;
  /** They fail on this host. */
  readonly areAttemptsLocal: boolean;
  readonly lossRatio: number;
  readonly isLossy: boolean;
  /** The suspicion that was refuted just now. */
  readonly refuted: { readonly attempts: number; readonly silentForMs: number } | null;
  /** Our data in flight makes no progress although the peer is heard. */
  readonly isHeardWithoutProgress: boolean;
  /** The budget ended before the proof was complete. */
  readonly isRushed: boolean;
  /** Keepalive runs on this connection, so that its silence means something. */
  readonly isQuestioned: boolean;
  /** The process behind the peer was asked and did not answer, for this long. */
  readonly processSilentForMs: number | null;
  /** This process stood still just now. */
  readonly pausedForMs: number | null;
  /** Why unanswered probes prove nothing here, in words; default: they do. */
  readonly doubt?: string | null;
  /** TCP_RTO_MAX_MS caps the backoff of window probes. */
  readonly hasRtoCap: boolean;
}

export interface Finding {
  readonly cause: Cause;
  readonly certainty: Certainty;
  readonly why: readonly string[];
  readonly unknown: readonly string[];
}
