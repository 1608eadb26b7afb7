import type { TcpInfo } from "./tcp-info.ts";

/** `suspect` is not a verdict: one answer refutes it. `dead` is final for a connection. */
export type State = "alive" | "suspect" | "dead";

/** What ails a connection, or does not. See docs/diagnosis.md for the evidence behind each. */
export type Cause =
  | "healthy"
  | "quiet"
  | "connecting"
  | "path-silent"
  | "peer-reset"
  | "peer-hung"
  | "peer-not-reading"
  | "one-way-loss"
  | "unreachable"
  | "local-link-down"
  | "local-send-failure"
  | "lossy-path"
  | "closed-by-peer"
  | "closed-locally"
  | "never-closed"
  | "local-stall";

export type Certainty = "certain" | "high" | "medium";

/**
 * Why a connection is held to be in its state. Plain data: survives JSON, a worker boundary, a log.
 */
export interface Diagnosis {
  readonly state: State;
  readonly cause: Cause;
  readonly certainty: Certainty;
  /**
   * The budget (`detectWithinMs`) is over, and what stayed unanswered does not prove death yet; of
   * a verdict: it fell after the budget.
   */
  readonly overdue: boolean;
  /** Milliseconds since the last evidence from the peer; `null` where nothing can tell. */
  readonly silentForMs: number | null;
  /** When the last evidence came, as epoch milliseconds: a label for people. */
  readonly since: number | null;
  /** The evidence in words, strongest first. */
  readonly why: readonly string[];
  /** What this connection cannot tell. */
  readonly unknown: readonly string[];
  readonly evidence: Evidence;
  /** `address:port`, IPv6 in brackets. */
  readonly local: string | null;
  readonly remote: string | null;
  readonly label: string | null;
}

/** The fields a diagnosis rests on. */
export interface Evidence {
  readonly tcpInfo: TcpInfo | null;
  /** The OS error code the socket ended with, if it did. */
  readonly errorCode: string | null;
  /** Whether this host can still send to the peer, where it was looked at. */
  readonly localPath: LocalPath | null;
  /** Unanswered attempts to reach the peer: keepalive probes, nudges, transmissions. */
  readonly unansweredAttempts: number;
  /** Share of attempts lost on this connection so far, 0 to 1. */
  readonly lossRatio: number;
  /** Other watched connections, where several are watched. */
  readonly others: OtherConnections | null;
}

/** This host's own means to reach the peer. Answers "is it us?" */
export interface LocalPath {
  /** `false`: the kernel has no route from our address to the peer. `null`: not known. */
  readonly hasRoute: boolean | null;
  readonly interfaceName: string | null;
  /** `false`: the interface is down or has no carrier. */
  readonly linkUp: boolean | null;
  /** `false`: our source address is gone. */
  readonly hasSourceAddress: boolean | null;
  /** Next hop, `null` when the peer is on-link. */
  readonly gateway: string | null;
  /** Neighbour (ARP / NDP) state of the next hop: REACHABLE, STALE, FAILED, INCOMPLETE ... */
  readonly neighbor: string | null;
}

/** Evidence shared between watched connections. */
export interface OtherConnections {
  /** Connections to the same peer address: how many are alive, how many silent. */
  readonly samePeer: { readonly alive: number; readonly silent: number };
  /** Connections to other peers over the same interface and next hop. */
  readonly sameRoute: { readonly alive: number; readonly silent: number };
}
