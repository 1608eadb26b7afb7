import { describe, expect, it } from "vitest";
import type { TcpInfo } from "../../src/core/tcp-info.ts";
import { DataGaps } from "../../src/watch/data-gaps.ts";

const OUTAGE_MS = 200;

/** A reading: segments behind a gap so far, and the ages of the last ACK and of data in order. */
function reading(outOfOrderSegmentsIn: number, ackMs: number, dataMs: number): TcpInfo {
  return { outOfOrderSegmentsIn, lastAckReceivedMs: ackMs, lastDataReceivedMs: dataMs } as TcpInfo;
}

describe("gaps in the peer's data", () => {
  it("are news of the process when the segment behind one came", () => {
    const gaps = new DataGaps(500, OUTAGE_MS);
    expect(gaps.observe(1000, reading(0, 5, 5))).toBe(null);
    expect(gaps.observe(1100, reading(1, 20, 90))).toBe(1080);
    expect(gaps.observe(1120, reading(1, 40, 110))).toBe(null);
  });

  it("may hold an answer back while they are open: until data in order comes", () => {
    const gaps = new DataGaps(500, OUTAGE_MS);
    gaps.observe(1000, reading(0, 5, 5));
    expect(gaps.mayHoldBack(1000)).toBe(false);
    gaps.observe(1100, reading(1, 20, 90));
    expect(gaps.mayHoldBack(1100)).toBe(true);
    // An acknowledgment alone closes none.
    gaps.observe(1300, reading(1, 10, 290));
    expect(gaps.mayHoldBack(1300)).toBe(true);
    gaps.observe(1400, reading(1, 10, 10));
    expect(gaps.mayHoldBack(1400)).toBe(false);
  });

  it("may not when the gap was closed before it was seen", () => {
    const gaps = new DataGaps(500, OUTAGE_MS);
    expect(gaps.observe(1000, reading(1, 10, 10))).toBe(990);
    expect(gaps.mayHoldBack(1000)).toBe(false);
  });

  it("may for a minute after two that are further apart than an outage, and not after one outage", () => {
    const gaps = new DataGaps(500, OUTAGE_MS);
    gaps.observe(1000, reading(1, 0, 0));
    gaps.observe(1000 + OUTAGE_MS, reading(4, 0, 0));
    expect(gaps.mayHoldBack(1300)).toBe(false);
    gaps.observe(2000, reading(5, 0, 0));
    expect(gaps.mayHoldBack(2001)).toBe(true);
    gaps.observe(62_000, reading(5, 0, 0));
    expect(gaps.mayHoldBack(62_000)).toBe(false);
  });
});
