import type { LocalPath, State } from "../diagnosis.ts";
import { printable } from "../printable.ts";
import type { TcpInfo } from "../tcp-info.ts";
import { brokenLocalPath } from "./blame-this-host.ts";
import type { Finding } from "./case.ts";

/** How a socket ended without our verdict. */
export interface Ending {
  /** The error code the socket ended with, `null` for an orderly end. */
  readonly errorCode: string | null;
  /** The peer's FIN was seen. */
  readonly hasPeerEnded: boolean;
  /** The last reading before the end. */
  readonly info: TcpInfo | null;
  readonly unansweredAttempts: number;
  readonly localPath: LocalPath | null;
  /** This process stood still just before. */
  readonly pausedForMs: number | null;
}

const NO_PATH = new Set(["EHOSTUNREACH", "ENETUNREACH", "EHOSTDOWN", "ENETDOWN"]);

/**
 * Says how a connection ended that the kernel or the program ended (rules 1 to 11 of
 * docs/internals/evidence.md#the-rules).
 */
export function classifyEnding(it: Ending): Finding & { readonly state: State } {
  const { errorCode } = it;
  if (errorCode === null) {
    if (it.hasPeerEnded)
      return {
        state: "alive",
        cause: "closed-by-peer",
        certainty: "certain",
        why: ["the peer closed the connection"],
        unknown: [],
      };
    return {
      state: "alive",
      cause: "closed-locally",
      certainty: "certain",
      why: ["this program closed the connection"],
      unknown: [],
    };
  }
  if (errorCode === "ECONNRESET" || errorCode === "EPIPE") return resetByPeer(it);
  if (errorCode === "ECONNABORTED") {
    return {
      state: "alive",
      cause: "closed-locally",
      certainty: "certain",
      why: ["the connection was aborted on this host (ECONNABORTED)"],
      unknown: [],
    };
  }
  if (NO_PATH.has(errorCode)) {
    const local = brokenLocalPath(it.localPath);
    if (local)
      return {
        state: "dead",
        cause: "local-link-down",
        certainty: "certain",
        why: [local],
        unknown: [],
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
 * libuv has no name for WSAENETRESET (10052), with which Windows documents to end a connection
 * whose keepalive stays unanswered.
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
      certainty: "certain",
      why: [local, "the kernel gave up (ETIMEDOUT)"],
      unknown: [],
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
