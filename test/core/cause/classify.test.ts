import { describe, expect, it } from "vitest";
import { brokenLocalPath } from "../../../src/core/cause/blame-this-host.ts";
import type { Case } from "../../../src/core/cause/case.ts";
import { classify } from "../../../src/core/cause/classify.ts";
import type { Cause, Certainty, LocalPath, OtherConnections } from "../../../src/core/diagnosis.ts";
import type { TcpInfo, TcpState } from "../../../src/core/tcp-info.ts";

/**
 * The facts of a case, the certainty of its cause, and the words of some line of `why` and of
 * `unknown`. Without the last, nothing may be left unknown.
 */
type Row = [when: string, it: Partial<Case>, certainty: Certainty, why: RegExp, unknown?: RegExp];
type Rows = readonly [Row, ...Row[]];

/** Causes that only the end of a socket has: classify-ending.test.ts. */
type OfAnEnding = "peer-reset" | "closed-by-peer" | "closed-locally";

const IN_ORDER: LocalPath = {
  hasRoute: true,
  interfaceName: "eth0",
  linkUp: true,
  hasSourceAddress: true,
  gateway: "10.0.0.1",
  neighbor: "REACHABLE",
  wasInOrder: true,
};

/** A connection that keepalive probes, heard 300 ms ago. */
const CALM: Case = {
  state: "alive",
  flow: "idle",
  info: { state: "ESTABLISHED" },
  localPath: null,
  others: null,
  silentForMs: 300,
  unansweredAttempts: 0,
  areAttemptsLocal: false,
  lossRatio: 0,
  isLossy: false,
  refuted: null,
  isHeardWithoutProgress: false,
  isDeaf: false,
  isRushed: false,
  isQuestioned: true,
  processSilentForMs: null,
  pausedForMs: null,
  hasRtoCap: true,
};

const info = (info: Partial<TcpInfo>): Pick<Case, "info"> => ({
  info: { state: "ESTABLISHED", ...info },
});
/** Seven attempts unanswered, the last thing heard 8.2 s ago. */
const SUSPECT = { state: "suspect", silentForMs: 8200, unansweredAttempts: 7 } as const;
const DEAD = { ...SUSPECT, state: "dead" } as const;
/** Data in flight whose retransmissions ICMP answered: one timeout more than doublings. */
const TAKEN_BACK = {
  unackedSegments: 1,
  retransmittedSegments: 1,
  retransmits: 4,
  backoff: 3,
  totalRetransmits: 4,
};
const ICMP = { ...SUSPECT, ...info(TAKEN_BACK) };
const REFUSED = info({ unackedSegments: 1, retransmittedSegments: 0, retransmits: 7, backoff: 0 });
/** A paste of 8 full segments after a chat of 400 bytes; 4 times sent again. */
const PASTE = {
  sendMssBytes: 1448,
  unackedSegments: 8,
  sackedSegments: 0,
  bytesSent: 400 + 12 * 1448,
  bytesRetransmitted: 4 * 1448,
  bytesAcked: 400,
  deliveredSegments: 20,
  retransmits: 4,
  retransmittedSegments: 1,
  backoff: 4,
  totalRetransmits: 4,
};
const LARGE = { flow: "in-flight", ...info(PASTE) } as const;
const WAITING = {
  unackedSegments: 0,
  notSentBytes: 500,
  sendWindowBytes: 65_536,
  sendMssBytes: 1448,
};
const STUCK = info(WAITING);
const BLOCKED = { flow: "blocked", ...info({ ...WAITING, sendWindowBytes: 0 }) } as const;
const DEAF = { isHeardWithoutProgress: true, isDeaf: true };
const path = (but: Partial<LocalPath>): Pick<Case, "localPath"> => ({
  localPath: { ...IN_ORDER, ...but },
});
const halfClosed = (state: TcpState, heardMs: number, dataMs = heardMs): Pick<Case, "info"> =>
  info({ state, lastAckReceivedMs: heardMs, lastDataReceivedMs: dataMs });
type Count = OtherConnections["samePeer"];
const others = (samePeer: Count, sameRoute: Count): Pick<Case, "others"> => ({
  others: { samePeer, sameRoute },
});
const NONE = { alive: 0, silent: 0 };

/** Rows by cause. A cause without a row does not compile. */
const TABLE: Record<Exclude<Cause, OfAnEnding>, Rows> = {
  connecting: [
    [
      "a SYN without an answer",
      info({ state: "SYN_SENT" }),
      "certain",
      /no answer to our SYN$/,
      /lets us in/,
    ],
    [
      "a SYN repeated once",
      info({ state: "SYN_SENT", retransmits: 1 }),
      "certain",
      /SYN, which was repeated once$/,
      /lets us in/,
    ],
    [
      "a SYN-ACK repeated",
      info({ state: "SYN_RECV", retransmits: 3 }),
      "certain",
      /SYN-ACK, which was repeated 3 times$/,
      /lets us in/,
    ],
  ],
  healthy: [
    ["a peer that was heard", {}, "high", /^heard 300 ms ago$/, /heartbeat/],
    ["a peer heard by other means than the kernel", { info: null }, "high", /^heard 300 ms ago$/],
    [
      "an answer in time",
      { refuted: { attempts: 3, silentForMs: 2500 } },
      "high",
      /^answered again after 3 attempts in 2\.5 s/,
      /heartbeat/,
    ],
    [
      "an answer from this very host",
      { localProxy: "127.0.0.1:15001" },
      "medium",
      /^a proxy on this host answers in the peer's place: 127\.0\.0\.1:15001$/,
      /^whether the far end is there at all/,
    ],
  ],
  quiet: [
    [
      "silence that no keepalive probes",
      { isQuestioned: false, silentForMs: 9000 },
      "medium",
      /^quiet for 9\.0 s$/,
      /nothing was asked/,
    ],
    [
      "silence of unknown length",
      { silentForMs: null },
      "medium",
      /^quiet for an unknown time$/,
      /nothing was asked/,
    ],
  ],
  "local-stall": [
    [
      "a pause of this process",
      { pausedForMs: 4000 },
      "certain",
      /this process stood still for 4\.0 s/,
    ],
  ],
  "never-closed": [
    [
      "a minute without a word",
      halfClosed("CLOSE_WAIT", 60_000),
      "high",
      /^CLOSE_WAIT: the peer closed, .* for 60\.0 s at least$/,
      /on purpose/,
    ],
    [
      "a minute without data",
      halfClosed("CLOSE_WAIT", 200, 60_000),
      "medium",
      /no data for 60\.0 s$/,
      /since when/,
    ],
    [
      "our own side ended",
      halfClosed("FIN_WAIT2", 90_000),
      "high",
      /^FIN_WAIT2: this program ended its side, the peer never closed/,
      /on purpose/,
    ],
  ],
  "peer-not-reading": [
    [
      "a closed window that answers",
      BLOCKED,
      "high",
      /window is closed and 500 bytes wait/,
      /stopped or hung/,
    ],
    [
      "the same, unsent data untold",
      { flow: "blocked", ...info({ backoff: 2 }) },
      "high",
      /and what was sent waits/,
      /stopped or hung/,
    ],
  ],
  "lossy-path": [
    [
      "loss again and again",
      { isLossy: true, lossRatio: 0.125 },
      "high",
      /about 13 % of attempts are lost/,
    ],
  ],
  "peer-hung": [
    [
      "the peer's kernel answers",
      { ...DEAD, silentForMs: 300, processSilentForMs: 5000 },
      "high",
      /^.* 300 ms ago, .* for 5\.0 s$/,
      /hung/,
    ],
    [
      "the kernel tells nothing",
      { ...DEAD, processSilentForMs: 5000, info: null },
      "medium",
      /^the connection is open, but its/,
      /hung/,
    ],
  ],
  "local-link-down": [
    [
      "no carrier",
      { ...SUSPECT, ...path({ linkUp: false }) },
      "certain",
      /^our interface eth0 is down or has no carrier$/,
    ],
    [
      "a nameless one",
      { ...SUSPECT, ...path({ linkUp: false, interfaceName: null }) },
      "certain",
      /^our interface is down/,
    ],
    [
      "no source address",
      { ...DEAD, ...path({ hasSourceAddress: false }) },
      "certain",
      /^our source address is gone/,
    ],
    [
      "no route",
      { ...DEAD, ...path({ hasRoute: false }) },
      "certain",
      /^this host has no route to the peer$/,
    ],
    [
      "no route, which nobody looked up while the peer answered",
      { ...DEAD, ...path({ hasRoute: false, wasInOrder: null }) },
      "medium",
      /^this host has no route to the peer$/,
      /policy routing/,
    ],
  ],
  "local-send-failure": [
    [
      "data waits at an open window",
      { ...SUSPECT, ...STUCK },
      "certain",
      /^500 bytes wait although the peer's window is open/,
      /firewall/,
    ],
    [
      "retransmissions",
      { ...DEAD, ...REFUSED, areAttemptsLocal: true },
      "certain",
      /^7 retransmissions failed on this host/,
      /firewall/,
    ],
    [
      "probes",
      { ...DEAD, areAttemptsLocal: true },
      "high",
      /^7 probes failed on this host/,
      /firewall/,
    ],
  ],
  "one-way-loss": [
    [
      "a suspicion",
      { ...SUSPECT, ...DEAF },
      "medium",
      /still heard, yet .* no progress in 7 transmissions/,
      /where on the way/,
    ],
    ["a verdict", { ...DEAD, ...DEAF }, "high", /still heard/, /where on the way/],
    [
      "a hurried verdict",
      { ...DEAD, ...DEAF, isRushed: true },
      "medium",
      /still heard/,
      /where on the way/,
    ],
  ],
  "mtu-black-hole": [
    [
      "a small segment that arrived behind large ones",
      { ...DEAD, ...LARGE, ...info({ ...PASTE, unackedSegments: 9, sackedSegments: 1 }) },
      "high",
      /^only segments of 1448 bytes are lost: smaller ones arrived/,
      /smaller MTU/,
    ],
    [
      "a peer that goes on, since it hears our acknowledgments",
      { ...SUSPECT, ...LARGE, isHeardWithoutProgress: true },
      "high",
      /smaller ones arrived/,
      /smaller MTU/,
    ],
    [
      "the first repetitions",
      { ...SUSPECT, ...LARGE, ...info({ ...PASTE, retransmits: 2, backoff: 2 }) },
      "medium",
      /none of that size was ever seen to pass/,
      /host is gone/,
    ],
    [
      "the first large segments of a connection",
      { ...DEAD, ...LARGE },
      "medium",
      /none of that size was ever seen to pass/,
      /host is gone/,
    ],
  ],
  unreachable: [
    ["a doubling taken back", ICMP, "high", /\(4 timeouts, backoff only 3: ICMP/, /last router/],
    [
      "the fewest timeouts that tell",
      { ...ICMP, ...info({ ...TAKEN_BACK, retransmits: 2, backoff: 1 }) },
      "high",
      /\(2 timeouts/,
      /last router/,
    ],
  ],
  "path-silent": [
    [
      "a suspicion",
      SUSPECT,
      "medium",
      /^7 attempts unanswered, nothing heard for 8\.2 s$/,
      /path, the host or its power/,
    ],
    [
      "a verdict",
      DEAD,
      "high",
      /^7 attempts unanswered, nothing heard for 8\.2 s$/,
      /outage longer than those/,
    ],
    ["a hurried verdict", { ...DEAD, isRushed: true }, "medium", /^7 attempts unanswered/, /power/],
  ],
};

describe.each(Object.entries(TABLE))("%s is found in", (cause, rows) => {
  it.each(rows)("%s", (_, it, certainty, why, unknown) => {
    const found = classify({ ...CALM, ...it });
    expect(found).toMatchObject({
      cause,
      certainty,
      why: expect.arrayContaining([expect.stringMatching(why)]),
    });
    expect(found.unknown).toEqual(
      unknown === undefined ? [] : expect.arrayContaining([expect.stringMatching(unknown)]),
    );
  });
});

/** A change, the causes before and after it, the case, and what changes in it. */
const BOUNDARIES: readonly (readonly [
  what: string,
  before: Cause,
  after: Cause,
  of: Partial<Case>,
  but: Partial<Case>,
])[] = [
  ["the handshake is over", "connecting", "healthy", info({ state: "SYN_SENT" }), info({})],
  ["keepalive does not run", "healthy", "quiet", {}, { isQuestioned: false }],
  ["the length of the silence is unknown", "healthy", "quiet", {}, { silentForMs: null }],
  ["loss is not notable", "lossy-path", "healthy", { isLossy: true }, { isLossy: false }],
  ["the window is open", "peer-not-reading", "healthy", BLOCKED, STUCK],
  [
    "the peer was heard a millisecond later",
    "never-closed",
    "healthy",
    halfClosed("CLOSE_WAIT", 60_000),
    halfClosed("CLOSE_WAIT", 59_999),
  ],
  [
    "data came a millisecond later",
    "never-closed",
    "healthy",
    halfClosed("FIN_WAIT2", 0, 60_000),
    halfClosed("FIN_WAIT2", 0, 59_999),
  ],
  [
    "neither end is closed",
    "never-closed",
    "healthy",
    halfClosed("CLOSE_WAIT", 60_000),
    halfClosed("ESTABLISHED", 60_000),
  ],
  ["nothing is suspected", "path-silent", "healthy", SUSPECT, { state: "alive" }],
  [
    "the link is not known",
    "local-link-down",
    "path-silent",
    { ...SUSPECT, ...path({ linkUp: false }) },
    path({ linkUp: null }),
  ],
  [
    "the address is there",
    "local-link-down",
    "path-silent",
    { ...SUSPECT, ...path({ hasSourceAddress: false }) },
    path({}),
  ],
  [
    "the route was missing even while the peer answered",
    "local-link-down",
    "path-silent",
    { ...SUSPECT, ...path({ hasRoute: false }) },
    path({ hasRoute: false, wasInOrder: false }),
  ],
  [
    "the route is not known",
    "local-link-down",
    "path-silent",
    { ...SUSPECT, ...path({ hasRoute: false }) },
    path({ hasRoute: null }),
  ],
  [
    "data is in flight",
    "local-send-failure",
    "path-silent",
    { ...SUSPECT, ...STUCK },
    info({ ...WAITING, unackedSegments: 1 }),
  ],
  ["the window is closed", "local-send-failure", "path-silent", { ...SUSPECT, ...STUCK }, BLOCKED],
  [
    "attempts leave this host",
    "local-send-failure",
    "path-silent",
    { ...SUSPECT, areAttemptsLocal: true },
    { areAttemptsLocal: false },
  ],
  [
    "the peer is not heard",
    "one-way-loss",
    "path-silent",
    { ...SUSPECT, ...DEAF },
    { isHeardWithoutProgress: false },
  ],
  [
    "a small segment is unanswered too",
    "mtu-black-hole",
    "path-silent",
    { ...SUSPECT, ...LARGE },
    info({ ...PASTE, bytesSent: PASTE.bytesSent - 1300 }),
  ],
  [
    "a probe is unanswered too",
    "mtu-black-hole",
    "path-silent",
    { ...SUSPECT, ...LARGE },
    info({ ...PASTE, probes: 1 }),
  ],
  [
    "large segments passed before",
    "mtu-black-hole",
    "path-silent",
    { ...SUSPECT, ...LARGE },
    info({ ...PASTE, bytesAcked: 28_000, bytesSent: PASTE.bytesSent + 27_600 }),
  ],
  [
    "the segments are small enough for any path",
    "mtu-black-hole",
    "path-silent",
    { ...SUSPECT, ...LARGE },
    info({ ...PASTE, sendMssBytes: 1220 }),
  ],
  [
    "the kernel does not report what it sent",
    "mtu-black-hole",
    "path-silent",
    { ...SUSPECT, ...LARGE },
    info({ ...PASTE, bytesSent: undefined }),
  ],
  [
    "the peer does not hear our acknowledgments either",
    "mtu-black-hole",
    "one-way-loss",
    { ...SUSPECT, ...LARGE, isHeardWithoutProgress: true },
    { isDeaf: true },
  ],
  [
    "a router reports the peer unreachable",
    "mtu-black-hole",
    "unreachable",
    { ...SUSPECT, ...LARGE },
    info({ ...PASTE, backoff: 3 }),
  ],
  [
    "every timeout was doubled",
    "unreachable",
    "path-silent",
    ICMP,
    info({ ...TAKEN_BACK, backoff: 4 }),
  ],
  [
    "there was one timeout only",
    "unreachable",
    "path-silent",
    ICMP,
    info({ ...TAKEN_BACK, retransmits: 1, backoff: 0 }),
  ],
  [
    "nothing was sent again",
    "unreachable",
    "path-silent",
    ICMP,
    info({ ...TAKEN_BACK, totalRetransmits: 0 }),
  ],
  [
    "the retransmission was refused here",
    "unreachable",
    "path-silent",
    ICMP,
    info({ ...TAKEN_BACK, retransmittedSegments: 0 }),
  ],
  [
    "the kernel does not report backoff",
    "unreachable",
    "path-silent",
    ICMP,
    info({ ...TAKEN_BACK, backoff: undefined }),
  ],
];

describe("another cause is found as soon as", () => {
  it.each(BOUNDARIES)("%s: %s becomes %s", (_, before, after, of, but) => {
    const found = {
      before: classify({ ...CALM, ...of }).cause,
      after: classify({ ...CALM, ...of, ...but }).cause,
    };
    expect(found).toEqual({ before, after });
  });
});

/** Causes in the order in which they are found, each with its evidence. */
const PRECEDENCE: readonly (readonly [cause: Cause, evidence: Partial<Case>])[][] = [
  [
    ["peer-hung", { processSilentForMs: 5000 }],
    ["local-link-down", path({ linkUp: false })],
    ["local-send-failure", { areAttemptsLocal: true }],
    ["mtu-black-hole", { ...LARGE, isHeardWithoutProgress: true }],
    ["one-way-loss", { ...DEAF, isDeaf: false, flow: "in-flight" as const }],
    ["unreachable", ICMP],
    ["path-silent", SUSPECT],
  ],
  [
    ["local-stall", { pausedForMs: 4000 }],
    ["never-closed", info({ ...BLOCKED.info, ...halfClosed("CLOSE_WAIT", 60_000).info })],
    ["peer-not-reading", BLOCKED],
    ["lossy-path", { isLossy: true, lossRatio: 0.1 }],
    ["quiet", { isQuestioned: false }],
    ["healthy", {}],
  ],
];

describe.each(PRECEDENCE)("among several causes", (...order) => {
  it.each(order)("%s comes before those after it", (cause) => {
    const rest = order.slice(order.findIndex(([one]) => one === cause));
    const all: Case = Object.assign({}, CALM, ...rest.toReversed().map(([, evidence]) => evidence));
    expect(classify(all).cause).toBe(cause);
  });
});

const whyOf = (it: Partial<Case>): string => classify({ ...CALM, ...it }).why.join("\n");

describe("the words about a silent path", () => {
  it.each<readonly [what: string, it: Partial<Case>, says: string]>([
    [
      "a next hop without ARP",
      path({ neighbor: "FAILED" }),
      "the next hop 10.0.0.1 no longer answers ARP or neighbour discovery (FAILED)",
    ],
    [
      "a neighbour without ARP",
      path({ gateway: null, neighbor: "INCOMPLETE" }),
      "the peer, which is on our own link, no longer answers",
    ],
    [
      "our own side in order",
      path({ neighbor: "STALE" }),
      "our own link, address and route are in order",
    ],
    ["a window closed before", BLOCKED, "the peer had closed its window before"],
    [
      "a live connection to the peer",
      others({ alive: 1, silent: 0 }, NONE),
      "1 other connection to the same peer is alive: a NAT or",
    ],
    [
      "live ones among silent ones",
      others({ alive: 2, silent: 1 }, NONE),
      "2 other connections to the same peer are alive",
    ],
    [
      "the other one silent",
      others({ alive: 0, silent: 1 }, NONE),
      "the other connection to the same peer is silent too: the host",
    ],
    [
      "all others silent",
      others({ alive: 0, silent: 4 }, NONE),
      "all 4 other connections to the same peer are silent too",
    ],
    [
      "another peer silent",
      others(NONE, { alive: 0, silent: 1 }),
      "1 other peer over the same next hop silent too: the path, not the host",
    ],
    [
      "a live peer among silent ones",
      others(NONE, { alive: 1, silent: 3 }),
      "1 other peer over the same next hop alive: our side",
    ],
    ["loss before", { isLossy: true, lossRatio: 0.1 }, "this path lost 10 % of attempts before"],
  ])("name %s", (_, it, says) => {
    expect(whyOf({ ...DEAD, ...it })).toContain(says);
    expect(whyOf(DEAD)).not.toContain(says);
  });

  it("call our own side in order only when the link and the route are known", () => {
    for (const but of [{ linkUp: null }, { hasRoute: null }])
      expect(whyOf({ ...DEAD, ...path(but) })).not.toContain("in order");
  });

  it("blame the path for silent peers only when no other peer lives", () => {
    expect(whyOf({ ...DEAD, ...others(NONE, { alive: 1, silent: 3 }) })).not.toContain(
      "the path, not the host",
    );
  });

  it("name earlier loss for a verdict, not for a suspicion", () => {
    expect(whyOf({ ...SUSPECT, isLossy: true, lossRatio: 0.1 })).not.toContain("lost 10 %");
  });

  it("name what a missing cap on backoff costs", () => {
    const costs = expect.stringContaining("without TCP_RTO_MAX_MS");
    expect(classify({ ...CALM, ...DEAD, ...BLOCKED, hasRtoCap: false }).unknown).toContainEqual(
      costs,
    );
    expect(classify({ ...CALM, ...DEAD, ...BLOCKED, hasRtoCap: true }).unknown).not.toContainEqual(
      costs,
    );
  });

  it("contain no control characters from the name of an interface", () => {
    expect(
      brokenLocalPath({ ...IN_ORDER, linkUp: false, interfaceName: "eth0\u001b[2J" }),
    ).not.toContain("\u001b");
  });
});
