import type { TcpInfo } from "./tcp-info.ts";

/** `suspect` is no verdict: one answer refutes the suspicion. `dead` is final for a connection. */
export type State = "alive" | "suspect" | "dead";

/** The cause of a connection's state. docs/diagnosis.md names the evidence behind each. */
export type Cause =
  | "healthy"
  | "quiet"
  | "connecting"
  | "path-silent"
  | "peer-reset"
  | "peer-hung"
  | "peer-not-reading"
  | "one-way-loss"
  | "mtu-black-hole"
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
 * The state of a connection and the reasons for it. Plain data: survives JSON, a worker boundary, a
 * log.
 */
export interface Diagnosis {
  readonly state: State;
  readonly cause: Cause;
  readonly certainty: Certainty;
  /**
   * The budget (`detectWithinMs`) is over, and the unanswered attempts do not prove death yet. With
   * the state `dead`: the verdict fell after the budget.
   */
  readonly overdue: boolean;
  /** Milliseconds since the last evidence from the peer; `null` if not known. */
  readonly silentForMs: number | null;
  /** Time of the last evidence, as epoch milliseconds: a label for people. */
  readonly since: number | null;
  /** The evidence in words, strongest first. */
  readonly why: readonly string[];
  /** Facts that this connection cannot show. */
  readonly unknown: readonly string[];
  readonly evidence: Evidence;
  /** `address:port`, IPv6 in brackets. */
  readonly local: string | null;
  readonly remote: string | null;
  readonly label: string | null;
}

/** The evidence that a diagnosis rests on. */
export interface Evidence {
  readonly tcpInfo: TcpInfo | null;
  /** The OS error code that ended the socket, if one did. */
  readonly errorCode: string | null;
  /** This host's means to send to the peer; `null` if not checked. */
  readonly localPath: LocalPath | null;
  /** Unanswered attempts to reach the peer: keepalive probes, nudges, transmissions. */
  readonly unansweredAttempts: number;
  /** Share of attempts lost on this connection so far, 0 to 1. */
  readonly lossRatio: number;
  /** Other watched connections; `null` if there are none. */
  readonly others: OtherConnections | null;
}

/** This host's own means to reach the peer. Shows whether the fault is ours. */
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
  /**
   * `true`: route, link and address were found in order while the peer answered, so a fault found
   * now is new. `false`: a fault was found even then, so this look-up does not see the way that the
   * connection takes. `null`: not examined while the peer answered.
   */
  readonly wasInOrder: boolean | null;
}

/** Evidence shared between watched connections. */
export interface OtherConnections {
  /** Numbers of alive and silent connections to the same peer address. */
  readonly samePeer: { readonly alive: number; readonly silent: number };
  /** Numbers of connections to other peers over the same interface and next hop. */
  readonly sameRoute: { readonly alive: number; readonly silent: number };
}
