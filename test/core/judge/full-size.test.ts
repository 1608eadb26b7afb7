import { describe, expect, it } from "vitest";
import type { MtuProbing } from "../../../src/core/judge/full-size.ts";
import type { Judgement } from "../../../src/core/judge/judgement.ts";
import { Liveness } from "../../../src/core/judge/liveness.ts";
import type { TcpInfo } from "../../../src/core/tcp-info.ts";

const BUDGET_MS = 5000;
const CAP_MS = 1000;
const MSS = 1448;
/** When the kernel sends again, in ms after the first transmission, with a cap of 1 s. */
const SENT_AT = [0, 440, 850, 1700, 2700, 3700, 4700, 5700, 6700, 7700];
const ON: MtuProbing = { isOn: true, afterTimeouts: 3 };
const OFF: MtuProbing = { isOn: false, afterTimeouts: 3 };

interface Burst {
  readonly probing?: MtuProbing;
  /** Bytes in the segments that were acknowledged before, each of them alone in one. */
  readonly before?: number;
  /** Bytes missing in the last segment in flight. */
  readonly missing?: number;
  /** The segment size once the kernel has searched, and when; default: it never does. */
  readonly lowered?: { readonly at: number; readonly mss: number };
  /** How long before each reading the peer was heard; default: before the burst. */
  readonly heardAgeMs?: number;
}

/** Judges 10 segments that left at 0 and are never acknowledged. Returns the judgement at each ms. */
function judgedUntil(endMs: number, it: Burst): Map<number, Judgement> {
  const liveness = new Liveness(
    { budgetMs: BUDGET_MS, rtoMaxMs: CAP_MS, ...(it.probing && { mtuProbing: it.probing }) },
    -1000,
  );
  const segment = it.before ?? 40;
  const acked = 20 * segment;
  const calm: TcpInfo = {
    state: "ESTABLISHED",
    rttMs: 0.5,
    rtoMs: 204,
    rttVarMs: 0.1,
    sendMssBytes: MSS,
    unackedSegments: 0,
    notSentBytes: 0,
    sendWindowBytes: 65_000,
    bytesAcked: acked,
    bytesSent: acked,
    bytesRetransmitted: 0,
    deliveredSegments: 20,
    dataSegmentsOut: 20,
    lastAckReceivedMs: 5,
    lastDataReceivedMs: 900,
    lastDataSentMs: 6,
  };
  liveness.observe(-5, calm);

  const judged = new Map<number, Judgement>();
  for (let now = 0; now <= endMs; now += 50) {
    const retransmits = SENT_AT.filter((at) => at <= now).length - 1;
    const isLowered = it.lowered !== undefined && now >= it.lowered.at;
    judged.set(
      now,
      liveness.observe(now, {
        ...calm,
        sendMssBytes: isLowered ? (it.lowered?.mss ?? MSS) : MSS,
        unackedSegments: 10,
        retransmits,
        backoff: retransmits,
        retransmittedSegments: retransmits > 0 ? 1 : 0,
        totalRetransmits: retransmits,
        rtoMs: Math.min(CAP_MS, 204 * 2 ** retransmits),
        bytesSent: acked + (10 + retransmits) * MSS - (it.missing ?? 0),
        bytesRetransmitted: retransmits * MSS,
        dataSegmentsOut: 30 + retransmits,
        lastDataSentMs: now - (SENT_AT[retransmits] ?? 0),
        lastAckReceivedMs: it.heardAgeMs ?? now + 10,
        lastDataReceivedMs: it.heardAgeMs ?? now + 900,
      }),
    );
  }
  return judged;
}

/** Returns the instant of the verdict; `null`: none. */
function diedAt(endMs: number, it: Burst): number | null {
  for (const [at, { state }] of judgedUntil(endMs, it)) if (state === "dead") return at;
  return null;
}

describe("segments that may be too large for the path", () => {
  it("are no proof before the end of the budget, while none of their size was seen to pass", () => {
    expect(diedAt(6000, {})).toBeGreaterThan(BUDGET_MS - 500);
    expect(diedAt(6000, {})).toBeLessThanOrEqual(BUDGET_MS);
  });

  it.each<[what: string, it: Burst]>([
    ["large ones passed before", { before: 1400 }],
    ["a small one is among them", { missing: MSS - 600 }],
    ["the kernel reports another size", { lowered: { at: 0, mss: 1220 } }],
  ])("are proof as ever if %s", (_, it) => {
    expect(diedAt(6000, it)).toBeLessThan(BUDGET_MS - 500);
  });

  it("are no proof at all while the peer is heard, however long", () => {
    const judged = judgedUntil(7700, { heardAgeMs: 100 });
    expect([...judged.values()].filter(({ state }) => state === "dead")).toEqual([]);
    expect(judged.get(7500)).toMatchObject({ state: "suspect", isOverdue: true });
  });

  it("are read no more often than data in flight ever is, when the budget is over", () => {
    const late = judgedUntil(7700, { heardAgeMs: 100 }).get(7500);
    expect(late?.lookAt).toBe(7500 + 250);
  });
});

describe("a host that searches for the size that passes (net.ipv4.tcp_mtu_probing)", () => {
  it.each([
    ["within the budget, if large segments passed before", { before: 1400, probing: ON }, 3700],
    ["beyond the budget, if none did", { probing: ON }, BUDGET_MS],
  ])("is waited for %s", (_, it, until) => {
    expect(diedAt(8000, it)).toBeGreaterThanOrEqual(until);
  });

  it("is waited for until the first smaller segment is unanswered", () => {
    const lowered = { at: 3700, mss: 1024 };
    const died = diedAt(8000, { before: 1400, probing: ON, lowered });
    expect(died).toBeGreaterThanOrEqual(3900);
    expect(died).toBeLessThanOrEqual(BUDGET_MS);
  });

  it("is given up when it does not lower the size by the third timeout after its limit", () => {
    expect(diedAt(9000, { probing: ON })).toBe(SENT_AT[7]);
  });

  it("costs no time where it is switched off", () => {
    expect(diedAt(6000, { before: 1400, probing: OFF })).toBe(diedAt(6000, { before: 1400 }));
  });
});
