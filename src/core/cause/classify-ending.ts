import type { LocalPath, State } from "../diagnosis.ts";
import { hasFullSizePassed, isOnlyFullSize } from "../judge/full-size.ts";
import { printable } from "../printable.ts";
import type { TcpInfo } from "../tcp-info.ts";
import { brokenLocalPath, brokenPathCertainty } from "./blame-this-host.ts";
import type { Finding } from "./case.ts";

/**
 * Finds the cause of a connection's end by the kernel or the program: rules 1 to 13 of
 * docs/internals/evidence.md#the-rules.
 */
export function classifyEnding(it: Ending): Finding & { readonly state: State } {
  const { errorCode } = it;
  if (errorCode === null) return orderly(it);
  if (errorCode === "ECONNRESET" || errorCode === "EPIPE")
    return it.isAfterOwnEnd ? resetAfterOwnEnd(errorCode) : resetByPeer(it);
  if (errorCode === "ECONNABORTED") {
    return {
      state: "alive",
      cause: "closed-locally",
      certainty: "high",
      why: ["the connection was aborted on this host (ECONNABORTED)"],
      unknown: ["who aborted it; Windows does so too when retransmissions stay unanswered"],
    };
  }
  if (NO_PATH.has(errorCode)) {
    const local = brokenLocalPath(it.localPath);
    if (local)
      return {
        state: "dead",
        cause: "local-link-down",
        ...brokenPathCertainty(it.localPath),
        why: [local],
      };
    return {
      state: "dead",
      cause: "unreachable",
      certainty: "high",
      why: [`the kernel reports ${errorCode}`],
      unknown: ["whether a router or our own neighbour discovery said so"],
    };
  }
  if (errorCode === "ETIMEDOUT") return timedOut(it);
  if (errorCode === "UNKNOWN") return endedWithoutName();
  return {
    state: "alive",
    cause: "closed-locally",
    certainty: "medium",
    why: [`the socket ended with ${printable(errorCode)}`],
    unknown: ["whether the peer has a part in it"],
  };
}

function orderly({ hasPeerEnded }: Ending): Finding & { readonly state: State } {
  if (hasPeerEnded)
    return {
      state: "alive",
      cause: "closed-by-peer",
      certainty: "high",
      why: ["the peer closed the connection"],
      unknown: [
        "whether its program closed, its process ended, or a proxy in between closed for it",
      ],
    };
  return {
    state: "alive",
    cause: "closed-locally",
    certainty: "certain",
    why: ["this program closed the connection"],
    unknown: [],
  };
}

/**
 * RabbitMQ for one answers every client's end with a reset.
 *
 * Rule 3 (docs/internals/evidence.md#a-reset-after-our-end).
 */
function resetAfterOwnEnd(errorCode: string): Finding & { readonly state: State } {
  return {
    state: "alive",
    cause: "closed-locally",
    certainty: "high",
    why: [
      `this program ended the connection, all that it had sent was acknowledged, and the peer's host then reset the rest (${errorCode})`,
    ],
    unknown: ["whether the peer had more to send"],
  };
}

function resetByPeer(it: Ending): Finding & { readonly state: State } {
  const questioned =
    it.unansweredAttempts > 0 || (it.info?.retransmits ?? 0) > 0 || (it.info?.probes ?? 0) > 0;
  if (questioned) {
    return {
      state: "dead",
      cause: "peer-reset",
      certainty: "high",
      why: [
        `${it.errorCode} after ${it.unansweredAttempts} unanswered attempts: the peer's host no longer knows this connection`,
      ],
      unknown: ["whether it rebooted, its address moved, or a NAT or firewall lost the flow"],
    };
  }
  return {
    state: "dead",
    cause: "peer-reset",
    certainty: "high",
    why: [`${it.errorCode}: the peer's host reset the connection`],
    unknown: ["whether its program aborted, its host rebooted, or a firewall rejected us"],
  };
}

/**
 * Takes an error without a name for WSAENETRESET (10052), which libuv does not name. By its
 * documentation Windows ends a connection with this error when keepalive stays unanswered.
 */
function endedWithoutName(): Finding & { readonly state: State } {
  return {
    state: "dead",
    cause: "path-silent",
    certainty: "medium",
    why: [
      "the system ended the connection with an error that Node has no name for (UNKNOWN): on Windows, keepalive that stayed unanswered",
    ],
    unknown: ["which error it was, and whether the path, the host or its power failed"],
  };
}

function timedOut(it: Ending): Finding & { readonly state: State } {
  const local = brokenLocalPath(it.localPath);
  if (local)
    return {
      state: "dead",
      cause: "local-link-down",
      ...brokenPathCertainty(it.localPath),
      why: [local, "the kernel gave up (ETIMEDOUT)"],
    };
  if (it.info && isOnlyFullSize(it.info) && !hasFullSizePassed(it.info))
    return {
      state: "dead",
      cause: "mtu-black-hole",
      certainty: "medium",
      why: [
        `the kernel gave up (ETIMEDOUT): only segments of ${it.info.sendMssBytes} bytes stayed unanswered, and none of that size was ever seen to pass`,
      ],
      unknown: ["whether the peer's host is gone: then both look the same"],
    };
  return {
    state: "dead",
    cause: "path-silent",
    certainty: "high",
    why: [
      "the kernel gave up before we did (ETIMEDOUT): its probes or retransmissions stayed unanswered",
    ],
    unknown: ["whether the path, the host or its power failed"],
  };
}

/** The facts about a socket that ended without our verdict. */
export interface Ending {
  /** The error code that the socket ended with; `null` for an orderly end. */
  readonly errorCode: string | null;
  /** The peer's FIN was seen. */
  readonly hasPeerEnded: boolean;
  /**
   * The program had ended the connection before the error came. The peer's kernel had acknowledged
   * all that was sent, and the peer sent nothing more.
   */
  readonly isAfterOwnEnd: boolean;
  /** The last reading before the end. */
  readonly info: TcpInfo | null;
  readonly unansweredAttempts: number;
  readonly localPath: LocalPath | null;
  /** How long this process stood still just before; `null`: it did not. */
  readonly pausedForMs: number | null;
}

/** Error codes of a host that has no way to the peer. */
const NO_PATH = new Set(["EHOSTUNREACH", "ENETUNREACH", "EHOSTDOWN", "ENETDOWN"]);
