import type { Cause, Diagnosis } from "./diagnosis.ts";
import { printable } from "./printable.ts";

/** Stable codes: programs branch on codes, never on messages. */
export type HalfOpenErrorCode =
  | "ERR_PEER_DEAD"
  | "ERR_OPTION_RANGE"
  | "ERR_OUTAGE_BOUND"
  | "ERR_NOT_SUPPORTED"
  | "ERR_NOT_CONNECTED"
  | "ERR_SOCKET_OPTION"
  | "ERR_PROTOCOL"
  | "ERR_PERMISSION";

/** A code of the system's own errors, as Node has it in `error.code`: `"ECONNRESET"`. */
export type SystemErrorCode = `E${Uppercase<string>}`;

/**
 * The base class of every error that halfopen throws or hands to a socket. The message says what is
 * wrong, which value, and what to do.
 */
export class HalfOpenError extends Error {
  /** A system's code only in a {@link DeadPeerError} that was to have one (`errorCode`). */
  readonly code: HalfOpenErrorCode | SystemErrorCode;

  constructor(code: HalfOpenErrorCode | SystemErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "HalfOpenError";
    this.code = code;
  }
}

/** A time within which a dead peer is found, and the longest outage that ends no connection. */
export interface OutagePair {
  readonly detectWithinMs: number;
  readonly surviveOutageMs: number;
}

/** Refuses a pair of times that cannot both be kept. */
export class OutageBoundError extends HalfOpenError {
  /** The pair that was asked for. */
  readonly asked: OutagePair;
  /** The longest outage, in ms, that this `detectWithinMs` can outlast. */
  readonly longestOutageMs: number;
  /** The nearest possible pair that keeps `surviveOutageMs`, as far as any budget does. */
  readonly nearest: OutagePair;

  constructor(
    asked: OutagePair,
    bound: {
      readonly longestOutageMs: number;
      readonly nearest: OutagePair;
      readonly because: string;
    },
  ) {
    const { longestOutageMs, nearest, because } = bound;
    super(
      "ERR_OUTAGE_BOUND",
      `within ${asked.detectWithinMs} ms an outage of ${asked.surviveOutageMs} ms cannot be told from death: ${longestOutageMs} ms is the longest, because ${because}. Nearest: surviveOutageMs ${longestOutageMs}, or detectWithinMs ${nearest.detectWithinMs} with surviveOutageMs ${nearest.surviveOutageMs}`,
    );
    this.name = "OutageBoundError";
    this.asked = asked;
    this.longestOutageMs = longestOutageMs;
    this.nearest = nearest;
  }
}

/** Causes that lie on this host. */
const LOCAL: ReadonlySet<Cause> = new Set([
  "local-link-down",
  "local-send-failure",
  "local-stall",
  "closed-locally",
]);

/** An error of the system: its code, and the number that Node has in `error.errno`. */
export interface SystemError {
  readonly code: SystemErrorCode;
  readonly errno: number;
}

/**
 * The error that a watched socket is destroyed with when its peer is found dead.
 *
 * Its `code` is `"ERR_PEER_DEAD"`, or that of the system which the watch asked for (`errorCode`,
 * `halfopen/auto`). Programs that know halfopen branch on the class, or on `halfopenCode`.
 */
export class DeadPeerError extends HalfOpenError {
  readonly diagnosis: Diagnosis;
  /**
   * The fault is this host's own (its link, its queue). Nothing is known about the peer, and
   * another peer cannot be reached any better.
   */
  readonly isLocal: boolean;
  /** Says that this is halfopen's error, whatever its `code` is. */
  readonly halfopenCode: "ERR_PEER_DEAD" = "ERR_PEER_DEAD";
  /** The system's number of `code`, as in the system's own errors; absent for `ERR_PEER_DEAD`. */
  declare readonly errno?: number;
  /** `"read"`, as in the system's own errors; absent for `ERR_PEER_DEAD`. */
  declare readonly syscall?: string;
  /** The peer's address; absent if not known. */
  declare readonly address?: string;
  declare readonly port?: number;

  constructor(diagnosis: Diagnosis, options?: ErrorOptions & { readonly as?: SystemError | null }) {
    const { cause, remote, why } = diagnosis;
    const isLocal = LOCAL.has(cause);
    const peer = remote ?? "(unknown)";
    const { as = null, ...rest } = options ?? {};
    // Programs also search messages for the system's words: `read ECONNRESET`
    const start = as ? `${SYSCALL} ${as.code}: ` : "";

    // An IPv6 scope is the name of an interface, and a reason may quote the peer
    super(
      as?.code ?? "ERR_PEER_DEAD",
      printable(
        `${start}${isLocal ? `the connection to ${peer} is lost` : `peer ${peer} is dead`}: ${[cause, ...why].join("; ")}`,
      ),
      rest,
    );
    this.name = "DeadPeerError";
    this.diagnosis = diagnosis;
    this.isLocal = isLocal;
    if (as) Object.assign(this, { errno: as.errno, syscall: SYSCALL });
    Object.assign(this, endpointIn(remote));
  }
}

/** The call by which Node learns of nearly every end that the kernel reports. */
const SYSCALL = "read";

/** Returns the parts of `address:port`, IPv6 in brackets. */
function endpointIn(text: string | null): { address: string; port: number } | null {
  const parts = /^\[?([^\]]+)\]?:(\d+)$/.exec(text ?? "");
  return parts ? { address: parts[1] as string, port: Number(parts[2]) } : null;
}
