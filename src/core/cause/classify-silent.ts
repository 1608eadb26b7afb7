import type { Certainty, OtherConnections } from "../diagnosis.ts";
import { hasFullSizePassed, isOnlyFullSize } from "../judge/full-size.ts";
import { isRetransmissionRefused, isStuckLocally } from "../judge/reading.ts";
import type { TcpInfo } from "../tcp-info.ts";
import { brokenLocalPath, brokenPathCertainty, failingHere } from "./blame-this-host.ts";
import type { Case, Finding } from "./case.ts";
import { count, ms, percent } from "./words.ts";

/** Finds why a connection is silent. The cause nearest to this host is checked first. */
export function classifySilent(it: Case): Finding {
  if (it.processSilentForMs !== null) return peerHung(it, it.processSilentForMs);
  const local = brokenLocalPath(it.localPath);
  const heard = `nothing heard for ${ms(it.silentForMs)}`;
  if (local) {
    const sure = brokenPathCertainty(it.localPath);
    return { cause: "local-link-down", ...sure, why: [local, heard] };
  }
  const failing = failingHere(it);
  if (failing) {
    const unknown = ["whether a local firewall, a queue or the route drops it"];
    return {
      cause: "local-send-failure",
      certainty: isKeptByKernel(it.info) ? "certain" : "high",
      why: [failing, heard],
      unknown,
    };
  }
  const blackHole = mtuBlackHole(it, heard);
  if (blackHole) return blackHole;
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

/** Returns whether the kernel's own numbers show that nothing left: probes leave no such trace. */
function isKeptByKernel(info: TcpInfo | null): boolean {
  return info !== null && (isStuckLocally(info) || isRetransmissionRefused(info));
}

/**
 * Finds that only large segments are lost. A small one that arrived meanwhile is the evidence: the
 * peer acknowledged it out of order (SACK), or goes on because our bare acknowledgments reach it.
 * Without one, no large segment may ever have passed.
 * Rule 18 (docs/internals/evidence.md#only-large-segments-are-lost).
 */
function mtuBlackHole(it: Case, heard: string): Finding | null {
  const { info } = it;
  if (it.flow !== "in-flight" || it.isDeaf || !info || !isOnlyFullSize(info)) return null;
  if (isReportedUnreachable(info)) return null;
  const isSmallHeard = (info.sackedSegments ?? 0) > 0 || it.isHeardWithoutProgress;
  if (!isSmallHeard && hasFullSizePassed(info)) return null;

  const size = `segments of ${info.sendMssBytes} bytes`;
  return {
    cause: "mtu-black-hole",
    certainty: isSmallHeard && (info.retransmits ?? 0) >= ENOUGH_TIMEOUTS ? "high" : "medium",
    why: [
      isSmallHeard
        ? `only ${size} are lost: smaller ones arrived meanwhile`
        : `only ${size} are unanswered, and none of that size was ever seen to pass; smaller ones did`,
      heard,
    ],
    unknown: isSmallHeard
      ? ["where on the way a link with a smaller MTU drops them without a report (ICMP)"]
      : [
          "whether the peer's host is gone: nothing smaller was sent meanwhile, so both look the same",
        ],
  };
}

/** By loss alone, three repetitions in a row rarely stay unanswered while smaller ones arrive. */
const ENOUGH_TIMEOUTS = 3;

function pathSilent(it: Case, heard: string): Finding {
  const why = [`${it.unansweredAttempts} attempts unanswered, ${heard}`];
  const unknown = [
    "whether the path, the host or its power failed: from here they look the same",
    "whether the path would have come back: an outage longer than those that are to be survived looks the same",
  ];
  if (it.doubt) unknown.unshift(it.doubt);
  if (it.flow === "in-flight" && it.info && isOnlyFullSize(it.info))
    unknown.push("whether only large segments are lost (an MTU black hole): no small one was sent");
  const path = it.localPath;
  if (path?.wasInOrder === false)
    unknown.push(
      "whether our own link, address and route are in order: the kernel named none even while the peer answered",
    );
  if (path?.neighbor === "FAILED" || path?.neighbor === "INCOMPLETE") {
    const hop = path.gateway
      ? `the next hop ${path.gateway}`
      : "the peer, which is on our own link,";
    why.push(`${hop} no longer answers ARP or neighbour discovery (${path.neighbor})`);
  } else if (path?.hasRoute && path.linkUp && path.wasInOrder !== false)
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

function peerHung(it: Case, processSilentForMs: number): Finding {
  const kernel = it.info
    ? `the peer's kernel answered ${ms(it.silentForMs)} ago`
    : "the connection is open";
  const why = [`${kernel}, but its program has not answered for ${ms(processSilentForMs)}`];
  const unknown = ["whether that program is slow, stopped or hung"];
  if (!it.info) unknown.unshift("whether its host and the path to it work: nothing here shows it");
  return { cause: "peer-hung", certainty: it.info ? "high" : "medium", why, unknown };
}

/**
 * Returns whether ICMP reported the peer unreachable. For data in flight such a report takes one
 * step of backoff back, so the kernel counts more timeouts than backoff.
 * Rule 20 (docs/internals/evidence.md#reported-unreachable).
 */
function isReportedUnreachable(info: TcpInfo | null): boolean {
  if (info?.retransmits === undefined || info.backoff === undefined) return false;
  // A retransmission that this host refused is also counted without backoff.
  if (isRetransmissionRefused(info)) return false;
  return (
    info.retransmits >= 2 && info.retransmits > info.backoff && (info.totalRetransmits ?? 0) > 0
  );
}

/** Never "certain": an outage longer than the longest one that is survived looks the same. */
function certaintyOf(it: Case): Certainty {
  return it.state === "dead" && !it.isRushed && !it.doubt ? "high" : "medium";
}
