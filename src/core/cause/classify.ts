import type { Cause, Certainty, LocalPath, OtherConnections, State } from "../diagnosis.ts";
import {
  type Flow,
  heardAgeMs,
  isRetransmissionRefused,
  isStuckLocally,
} from "../judge/reading.ts";
import { printable } from "../printable.ts";
import { isPastHandshake, type TcpInfo } from "../tcp-info.ts";

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

/**
 * A connection left in CLOSE_WAIT or FIN_WAIT2 for this long was forgotten: the kernel ends neither
 * while a program holds it.
 */
const NEVER_CLOSED_MS = 60_000;

/** Says what ails a connection that still exists. */
export function classify(it: Case): Finding {
  if (it.info && !isPastHandshake(it.info.state)) return connecting(it.info);
  return it.state === "alive" ? classifyAlive(it) : classifySilent(it);
}

/** No verdict: nobody was there yet who could be gone. */
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

function classifySilent(it: Case): Finding {
  if (it.processSilentForMs !== null) return peerHung(it, it.processSilentForMs);
  const local = brokenLocalPath(it.localPath);
  const heard = `nothing heard for ${ms(it.silentForMs)}`;
  if (local)
    return { cause: "local-link-down", certainty: "certain", why: [local, heard], unknown: [] };
  const failing = failingHere(it);
  if (failing) {
    const unknown = ["whether a local firewall, a queue or the route drops it"];
    return { cause: "local-send-failure", certainty: "certain", why: [failing, heard], unknown };
  }
  if (it.isHeardWithoutProgress) {
    const why = `the peer is still heard, yet what we sent made no progress in ${it.unansweredAttempts} transmissions`;
    return {
      cause: "one-way-loss",
      certainty: certaintyOf(it),
      why: [why],
      unknown: ["where on the way to the peer our packets are lost"],
    };
  }
  if (isReportedUnreachable(it.info)) {
    const why = `the path reports the peer unreachable (${it.info?.retransmits} timeouts, backoff only ${it.info?.backoff}: ICMP took it back, RFC 6069)`;
    return {
      cause: "unreachable",
      certainty: "high",
      why: [why, heard],
      unknown: ["whether the host or its last router is down"],
    };
  }
  return pathSilent(it, heard);
}

function pathSilent(it: Case, heard: string): Finding {
  const why = [`${it.unansweredAttempts} attempts unanswered, ${heard}`];
  const unknown = [
    "whether the path, the host or its power failed: from here they look the same",
    "whether the path would have come back: an outage longer than those that are to be survived looks the same",
  ];
  if (it.doubt) unknown.unshift(it.doubt);
  const path = it.localPath;
  if (path?.neighbor === "FAILED" || path?.neighbor === "INCOMPLETE") {
    const hop = path.gateway
      ? `the next hop ${path.gateway}`
      : "the peer, which is on our own link,";
    why.push(`${hop} no longer answers ARP or neighbour discovery (${path.neighbor})`);
  } else if (path?.hasRoute && path.linkUp)
    why.push("our own link, address and route are in order");
  if (it.flow === "blocked") {
    why.push("the peer had closed its window before: the kernel's window probes went unanswered");
    if (!it.hasRtoCap)
      unknown.push(
        "anything sooner: without TCP_RTO_MAX_MS the kernel probes a closed window ever more rarely",
      );
  }
  if (it.others) why.push(...crossEvidence(it.others));
  if (it.state === "dead" && it.isLossy)
    why.push(`this path lost ${percent(it.lossRatio)} of attempts before`);
  return { cause: "path-silent", certainty: certaintyOf(it), why, unknown };
}

function crossEvidence(others: OtherConnections): string[] {
  const { samePeer, sameRoute } = others;
  const said: string[] = [];
  if (samePeer.alive > 0) {
    said.push(
      `${count(samePeer.alive, "other connection")} to the same peer ${samePeer.alive === 1 ? "is" : "are"} alive: a NAT or firewall forgot this flow`,
    );
  } else if (samePeer.silent > 0) {
    const all =
      samePeer.silent === 1
        ? "the other connection to the same peer is"
        : `all ${samePeer.silent} other connections to the same peer are`;
    said.push(`${all} silent too: the host or the path to it`);
  }
  if (sameRoute.silent > 0 && sameRoute.alive === 0)
    said.push(
      `${count(sameRoute.silent, "other peer")} over the same next hop silent too: the path, not the host`,
    );
  else if (sameRoute.alive > 0)
    said.push(
      `${count(sameRoute.alive, "other peer")} over the same next hop alive: our side of the path works`,
    );
  return said;
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
  const unknown = info
    ? ["whether the program behind the peer's kernel still works: a heartbeat would tell"]
    : [];
  const why = [`heard ${ms(it.silentForMs)} ago`];
  if (it.refuted)
    why.push(
      `answered again after ${it.refuted.attempts} attempts in ${ms(it.refuted.silentForMs)} stayed unanswered`,
    );
  return { cause: "healthy", certainty: "certain", why, unknown };
}

function peerHung(it: Case, processSilentForMs: number): Finding {
  const kernel = it.info
    ? `the peer's kernel answered ${ms(it.silentForMs)} ago`
    : "the connection is open";
  const why = [`${kernel}, but its program has not answered for ${ms(processSilentForMs)}`];
  return {
    cause: "peer-hung",
    certainty: "high",
    why,
    unknown: ["whether that program is slow, stopped or hung"],
  };
}

function forgottenClose(info: TcpInfo | null): Finding | null {
  if (info?.state !== "CLOSE_WAIT" && info?.state !== "FIN_WAIT2") return null;
  const who =
    info.state === "CLOSE_WAIT"
      ? "the peer closed, this program did not"
      : "this program ended its side, the peer never closed";
  // One end closed before the peer was last heard. Answers to keepalive refresh that; data does not
  // come any more, or may.
  const closedForMs = heardAgeMs(info) ?? 0;
  if (closedForMs >= NEVER_CLOSED_MS) {
    return {
      cause: "never-closed",
      certainty: "certain",
      why: [`${info.state}: ${who}, for ${ms(closedForMs)} at least`],
      unknown: [],
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
 * Rule 14 (docs/internals/evidence.md#broken-local-path). The words of what is broken on this host,
 * or `null`.
 */
export function brokenLocalPath(path: LocalPath | null): string | null {
  if (!path) return null;
  if (path.linkUp === false)
    return `our interface ${printable(path.interfaceName ?? "")} is down or has no carrier`.replace(
      "  ",
      " ",
    );
  if (path.hasSourceAddress === false) return "our source address is gone from this host";
  if (path.hasRoute === false) return "this host has no route to the peer";
  return null;
}

/**
 * Rule 15 (docs/internals/evidence.md#nothing-leaves-this-host). The words of what does not leave
 * this host, or `null`.
 */
function failingHere({ info, unansweredAttempts, areAttemptsLocal }: Case): string | null {
  if (info && isStuckLocally(info))
    return `${info.notSentBytes} bytes wait although the peer's window is open and nothing is in flight: nothing leaves this host`;
  if (!areAttemptsLocal) return null;
  return info && isRetransmissionRefused(info)
    ? `${unansweredAttempts} retransmissions failed on this host: the kernel tried, and none of them left it`
    : `${unansweredAttempts} probes failed on this host: the kernel was asked for them, and none of them left it`;
}

/**
 * Rule 17 (docs/internals/evidence.md#reported-unreachable): an ICMP unreachable for data in flight
 * takes one step of backoff back, so the two counters part.
 */
function isReportedUnreachable(info: TcpInfo | null): boolean {
  if (info?.retransmits === undefined || info.backoff === undefined) return false;
  // What fails on this host is counted without backoff too.
  if (isRetransmissionRefused(info)) return false;
  return (
    info.retransmits >= 2 && info.retransmits > info.backoff && (info.totalRetransmits ?? 0) > 0
  );
}

/** Never "certain": an outage that lasts longer than any that is to be survived looks the same. */
function certaintyOf(it: Case): Certainty {
  return it.state === "dead" && !it.isRushed && !it.doubt ? "high" : "medium";
}

function ms(value: number | null): string {
  if (value === null) return "an unknown time";
  return value < 1000 ? `${Math.round(value)} ms` : `${(value / 1000).toFixed(1)} s`;
}

function percent(ratio: number): string {
  return `${Math.round(ratio * 100)} %`;
}

function count(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? "" : "s"}`;
}
