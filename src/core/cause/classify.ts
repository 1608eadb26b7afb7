import { heardAgeMs, isStuckLocally } from "../judge/reading.ts";
import { isPastHandshake, type TcpInfo } from "../tcp-info.ts";
import type { Case, Finding } from "./case.ts";
import { classifySilent } from "./classify-silent.ts";
import { ms, percent } from "./words.ts";

/** Finds the cause behind the state of a connection that still exists. */
export function classify(it: Case): Finding {
  if (it.info && !isPastHandshake(it.info.state)) return connecting(it.info);
  return it.state === "alive" ? classifyAlive(it) : classifySilent(it);
}

/** Before the handshake is over there is no verdict: no peer was there yet that could be gone. */
function connecting({ state, retransmits = 0 }: TcpInfo): Finding {
  const repeats =
    retransmits === 0
      ? ""
      : `, which was repeated ${retransmits === 1 ? "once" : `${retransmits} times`}`;
  const why = [
    `the connection is not made yet: no answer to our ${state === "SYN_SENT" ? "SYN" : "SYN-ACK"}${repeats}`,
  ];
  return {
    cause: "connecting",
    certainty: "certain",
    why,
    unknown: ["whether the peer is there, and lets us in"],
  };
}

function classifyAlive(it: Case): Finding {
  const { info } = it;
  if (it.pausedForMs !== null) {
    return {
      cause: "local-stall",
      certainty: "certain",
      why: [`this process stood still for ${ms(it.pausedForMs)}; deadlines moved by as much`],
      unknown: [],
    };
  }
  const settled = forgottenClose(info);
  if (settled) return settled;
  if (it.flow === "blocked" && info && !isStuckLocally(info)) {
    const waiting = info.notSentBytes ? `${info.notSentBytes} bytes wait` : "what was sent waits";
    const why = [
      `the peer's kernel answers, but its window is closed and ${waiting}: the program there does not read`,
    ];
    return {
      cause: "peer-not-reading",
      certainty: "high",
      why,
      unknown: ["whether that program is slow, stopped or hung"],
    };
  }
  if (it.isLossy) {
    return {
      cause: "lossy-path",
      certainty: "high",
      why: [`the peer answers, but about ${percent(it.lossRatio)} of attempts are lost`],
      unknown: [],
    };
  }
  if (it.silentForMs === null || !it.isQuestioned) {
    const unknown = ["whether the peer is still there: nothing was asked and nothing came"];
    return {
      cause: "quiet",
      certainty: "medium",
      why: [`quiet for ${ms(it.silentForMs)}`],
      unknown,
    };
  }
  const { localProxy = null } = it;
  const unknown =
    info && !it.isProcessMute
      ? ["whether the program behind the peer's kernel still works: a heartbeat would tell"]
      : [];
  const why = [`heard ${ms(it.silentForMs)} ago`];
  if (localProxy !== null) {
    why.push(`a proxy on this host answers in the peer's place: ${localProxy}`);
    unknown.unshift("whether the far end is there at all: only a heartbeat through it would tell");
  }
  if (it.refuted)
    why.push(
      `answered again after ${it.refuted.attempts} attempts in ${ms(it.refuted.silentForMs)} stayed unanswered`,
    );
  // Never "certain": a proxy on the way answers as the peer does.
  return { cause: "healthy", certainty: localProxy === null ? "high" : "medium", why, unknown };
}

function forgottenClose(info: TcpInfo | null): Finding | null {
  if (info?.state !== "CLOSE_WAIT" && info?.state !== "FIN_WAIT2") return null;
  const who =
    info.state === "CLOSE_WAIT"
      ? "the peer closed, this program did not"
      : "this program ended its side, the peer never closed";
  // One end closed before the peer was last heard. Answers to keepalive keep that recent, so the
  // age of the last data is checked too; in FIN_WAIT2 data may still come.
  const closedForMs = heardAgeMs(info) ?? 0;
  if (closedForMs >= NEVER_CLOSED_MS) {
    return {
      cause: "never-closed",
      certainty: "high",
      why: [`${info.state}: ${who}, for ${ms(closedForMs)} at least`],
      unknown: ["whether the program keeps this end open on purpose"],
    };
  }
  const withoutDataMs = info.lastDataReceivedMs ?? 0;
  if (withoutDataMs < NEVER_CLOSED_MS) return null;
  const why = [`${info.state}: ${who}; no data for ${ms(withoutDataMs)}`];
  return {
    cause: "never-closed",
    certainty: "medium",
    why,
    unknown: ["since when that end is closed"],
  };
}

/**
 * A connection left in CLOSE_WAIT or FIN_WAIT2 for this long was forgotten. The kernel ends neither
 * state while a program holds the socket.
 */
const NEVER_CLOSED_MS = 60_000;
