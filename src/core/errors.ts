import type { Cause, Diagnosis } from "./diagnosis.ts";
import { printable } from "./printable.ts";

/** Stable codes: programs branch on codes, never on messages. */
export type HalfOpenErrorCode =
  | "ERR_PEER_DEAD"
  | "ERR_OPTION_RANGE"
  | "ERR_NOT_SUPPORTED"
  | "ERR_NOT_CONNECTED"
  | "ERR_SOCKET_OPTION"
  | "ERR_PROTOCOL"
  | "ERR_PERMISSION";

/**
 * The base class of every error that halfopen throws or hands to a socket. The message says what is
 * wrong, which value, and what to do.
 */
export class HalfOpenError extends Error {
  readonly code: HalfOpenErrorCode;

  constructor(code: HalfOpenErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "HalfOpenError";
    this.code = code;
  }
}

/** Causes that lie on this host. */
const LOCAL: ReadonlySet<Cause> = new Set([
  "local-link-down",
  "local-send-failure",
  "local-stall",
  "closed-locally",
]);

/** The error that a watched socket is destroyed with when its peer is found dead. */
export class DeadPeerError extends HalfOpenError {
  readonly diagnosis: Diagnosis;
  /**
   * The fault is this host's own (its link, its queue). Nothing is known about the peer, and
   * another peer cannot be reached any better.
   */
  readonly isLocal: boolean;

  constructor(diagnosis: Diagnosis, options?: ErrorOptions) {
    const { cause, remote, why } = diagnosis;
    const isLocal = LOCAL.has(cause);
    const peer = remote ?? "(unknown)";

    // An IPv6 scope is the name of an interface, and a reason may quote the peer
    super(
      "ERR_PEER_DEAD",
      printable(
        `${isLocal ? `the connection to ${peer} is lost` : `peer ${peer} is dead`}: ${[cause, ...why].join("; ")}`,
      ),
      options,
    );
    this.name = "DeadPeerError";
    this.diagnosis = diagnosis;
    this.isLocal = isLocal;
  }
}
