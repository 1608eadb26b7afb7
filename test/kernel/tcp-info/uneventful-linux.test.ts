import { describe, expect, it } from "vitest";
import {
  heardAgeOf,
  isAgeStill,
  isUneventful,
} from "../../../src/kernel/tcp-info/uneventful-linux.ts";

const LENGTH = 280;
/** Offsets in struct tcp_info, from include/uapi/linux/tcp.h. */
const FIELDS = {
  retransmits: 2,
  probes: 3,
  backoff: 4,
  rto: 8,
  unacked: 24,
  lastDataSent: 44,
  lastDataReceived: 52,
  lastAckReceived: 56,
  rtt: 68,
  totalRetransmits: 100,
  bytesReceived: 128,
  segmentsIn: 140,
  notSent: 144,
  dataSegmentsIn: 152,
  dsackDuplicates: 216,
} as const;
const BYTES = new Set(["retransmits", "probes", "backoff"]);

function reading(fields: Partial<Record<keyof typeof FIELDS, number>> = {}, state = 1): DataView {
  const view = new DataView(new ArrayBuffer(LENGTH));
  view.setUint8(0, state);
  const all = { rto: 204_000, rtt: 120, dataSegmentsIn: 7, bytesReceived: 900, ...fields };
  for (const [name, value] of Object.entries(all)) {
    const at = FIELDS[name as keyof typeof FIELDS];
    if (BYTES.has(name)) view.setUint8(at, value);
    else view.setUint32(at, value, true);
  }
  return view;
}

describe("isUneventful", () => {
  const before = reading();

  it("is true after passing time, answers, and new data from the peer", () => {
    expect(
      isUneventful(
        before,
        0,
        reading({ lastAckReceived: 900, lastDataSent: 4000, segmentsIn: 12 }),
        LENGTH,
      ),
    ).toBe(true);
    expect(
      isUneventful(before, 0, reading({ dataSegmentsIn: 9, bytesReceived: 1100 }), LENGTH),
    ).toBe(true);
  });

  it.each([
    ["an unanswered probe", { probes: 1 }],
    ["a retransmission under way", { retransmits: 1 }],
    ["a backed-off timer", { backoff: 1 }],
    ["data in flight", { unacked: 1 }],
    ["unsent data", { notSent: 5 }],
    ["another retransmission timeout", { rto: 212_000 }],
    ["another round-trip time", { rtt: 300 }],
    ["a retransmission that was answered since", { totalRetransmits: 1 }],
    ["a report of a needless retransmission", { dsackDuplicates: 1 }],
    ["data that brings nothing new", { dataSegmentsIn: 8 }],
  ])("is false after %s", (_, fields) => {
    expect(isUneventful(before, 0, reading(fields), LENGTH)).toBe(false);
  });

  it("is false in every state but ESTABLISHED, and for a kernel that gives too few bytes", () => {
    for (let state = 0; state < 13; state++)
      if (state !== 1) expect(isUneventful(before, 0, reading({}, state), LENGTH)).toBe(false);
    expect(isUneventful(before, 0, reading(), 228)).toBe(false);
    expect(isUneventful(reading({}, 8), 0, reading(), LENGTH)).toBe(false);
  });

  it("the last sign of life is the younger of data and acknowledgments", () => {
    expect(heardAgeOf(reading({ lastDataReceived: 700, lastAckReceived: 40 }), 0)).toBe(40);
    expect(heardAgeOf(reading({ lastDataReceived: 30, lastAckReceived: 40 }), 0)).toBe(30);
  });
});

describe("isAgeStill", () => {
  const before = reading({ segmentsIn: 9, lastAckReceived: 300, lastDataReceived: 900 });
  const isStill = (lastAckReceived: number, segmentsIn = 9): boolean =>
    isAgeStill(
      before,
      0,
      reading({ segmentsIn, lastAckReceived, lastDataReceived: 5000 }),
      LENGTH,
      1000,
    );

  it("is true of an age that stands still, or nearly so, although no segment came", () => {
    expect([300, 301, 550].map((ageMs) => isStill(ageMs))).toEqual([true, true, true]);
  });

  it("is false of an age that grew, even if the second reading came late, and of one that a segment made young", () => {
    expect([1300, 1290, 60_000].map((ageMs) => isStill(ageMs))).toEqual([false, false, false]);
    expect([0, 300].map((ageMs) => isStill(ageMs, 10))).toEqual([false, false]);
  });

  it("is false of an age that became younger: the segment was counted before the first reading", () => {
    expect(isStill(200)).toBe(false);
  });

  it("is false where the kernel counts no segments", () => {
    expect(isAgeStill(before, 0, before, 104, 1000)).toBe(false);
  });
});
