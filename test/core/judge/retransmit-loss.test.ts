import { describe, expect, it } from "vitest";
import { PathLoss } from "../../../src/core/judge/path-loss.ts";
import { readingOf, type Snapshot } from "../../../src/core/judge/reading.ts";
import { RetransmitLoss } from "../../../src/core/judge/retransmit-loss.ts";

/** `[data segments sent, retransmissions in all, those under way]` at readings 100 ms apart. */
type Counts = readonly [number, number, number];

/** Returns the loss that is believed after these readings. The second one ends the silence. */
function lossAfter(counts: readonly Counts[], isOutage: boolean): number {
  const learner = new RetransmitLoss();
  const loss = new PathLoss();
  learner.begin({ state: "ESTABLISHED", dataSegmentsOut: 0, totalRetransmits: 0 });
  let before: Snapshot | number = 0;
  for (const [i, [dataSegmentsOut, totalRetransmits, retransmittedSegments]] of counts.entries()) {
    const at = 100 * (i + 1);
    const info = {
      state: "ESTABLISHED",
      dataSegmentsOut,
      totalRetransmits,
      retransmittedSegments,
    } as const;
    const reading = readingOf(at, info, before);
    learner.acknowledged(loss, reading, at, at, isOutage && i === 1);
    before = reading;
  }
  return loss.ratio;
}

/** Nine segments were swallowed; they are sent again piece by piece, between new ones. */
const PIECES: readonly Counts[] = [
  [100, 3, 1],
  [104, 4, 1],
  [108, 7, 3],
  [112, 11, 2],
  [113, 12, 0],
  [120, 12, 0],
  [130, 12, 0],
  [140, 12, 0],
];

describe("what is sent again behind an outage", () => {
  it("is no loss, in however many pieces it is seen", () => {
    expect(lossAfter(PIECES, true)).toBe(0);
  });

  it("is loss where no outage explains it", () => {
    expect(lossAfter(PIECES, false)).toBeGreaterThan(0.03);
  });

  it("hides no later loss", () => {
    const later: Counts[] = [...PIECES, [150, 14, 2], [160, 14, 0], [170, 14, 0], [180, 14, 0]];
    expect(lossAfter(later, true)).toBeGreaterThan(0);
  });
});

describe("what is sent again for nothing", () => {
  it("is no loss where its report is on its way behind a queue that grows", () => {
    const learner = new RetransmitLoss();
    const loss = new PathLoss();
    learner.begin({ state: "ESTABLISHED", dataSegmentsOut: 0, totalRetransmits: 0 });
    // At 1000 a segment is sent again for nothing, behind 50 others; the report comes at 3000.
    let before: Snapshot | number = 0;
    for (let at = 100; at <= 4000; at += 100) {
      const info = {
        state: "ESTABLISHED",
        sendMssBytes: 1000,
        dataSegmentsOut: 40 + at / 20,
        totalRetransmits: at < 1000 ? 0 : 1,
        dsackDuplicates: at < 3000 ? 0 : 1,
        unackedSegments: 40 + at / 100,
        bytesAcked: 25 * at,
        deliveredSegments: at / 40,
      } as const;
      const reading = readingOf(at, info, before);
      learner.acknowledged(loss, reading, at, at, false, 1200);
      before = reading;
    }
    expect(loss.ratio).toBe(0);
  });
});
