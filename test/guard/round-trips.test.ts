import { describe, expect, it } from "vitest";
import { PeerGroups } from "../../src/core/judge/peer-groups.ts";
import { RoundTrips } from "../../src/guard/round-trips.ts";
import type { ConnectionRow } from "../../src/survey/connection-row.ts";

interface Seen {
  readonly segments: number;
  readonly repeated?: number;
  readonly duplicates?: number;
  readonly retransmits?: number;
}

const row = ({ segments, repeated = 0, duplicates = 0, retransmits = 0 }: Seen): ConnectionRow =>
  ({
    dataSegmentsOut: segments >>> 0,
    totalRetransmits: repeated >>> 0,
    duplicatesReported: duplicates,
    retransmits,
    isLastHeardAnswer: true,
  }) as ConnectionRow;

/** Returns the loss learned from surveys each of which heard the peer. */
function lossAfter(surveys: readonly Seen[]): number {
  const group = new PeerGroups().join("10.0.0.1", "10.0.0.2");
  const [first = { segments: 0 }, ...later] = surveys;
  const roundTrips = new RoundTrips(row(first));
  for (const seen of later) roundTrips.teach(group, row(seen));
  return group.loss.ratio;
}

/** Allows for the one lost attempt that always stays in the belief. */
function expectShare(ratio: number, share: number): void {
  expect(ratio).toBeGreaterThan(0.9 * share);
  expect(ratio).toBeLessThan(1.2 * share);
}

const every = (count: number, at: (i: number) => Seen): Seen[] =>
  Array.from({ length: count }, (_, i) => at(i));

describe("the loss of a path, seen by surveys of a connection", () => {
  it("is the share of retransmitted segments, for few or many segments between two surveys", () => {
    expectShare(lossAfter(every(200, (i) => ({ segments: 10 * i, repeated: i }))), 0.1);
    expectShare(lossAfter(every(200, (i) => ({ segments: 1000 * i, repeated: 100 * i }))), 0.1);
  });

  it("stays right when the counters wrap", () => {
    const start = 2 ** 32 - 500;
    expectShare(
      lossAfter(every(200, (i) => ({ segments: start + 10 * i, repeated: start + i }))),
      0.1,
    );
  });

  it("is zero when the peer reports each retransmission as needless, or answers every first try", () => {
    expect(
      lossAfter(every(200, (i) => ({ segments: 10 * i, repeated: i, duplicates: i }))),
    ).toBeLessThan(0.011);
    expect(lossAfter(every(200, () => ({ segments: 5 })))).toBeLessThan(0.011);
  });

  it("ignores segments that may be lost for good: those of the last survey, and those being retransmitted", () => {
    const calm = every(100, (i) => ({ segments: 10 * i }));
    expect(lossAfter([...calm, { segments: 1010, repeated: 9 }])).toBeLessThan(0.011);
    expect(
      lossAfter([
        ...calm,
        ...every(5, (i) => ({ segments: 1010 + i, repeated: 9 + i, retransmits: 3 })),
      ]),
    ).toBeLessThan(0.011);
  });
});
