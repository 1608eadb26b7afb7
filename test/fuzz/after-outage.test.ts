import { describe, expect, it } from "vitest";
import { expectedAfterOutage, mostOf } from "./after-outage.ts";
import type { Life } from "./run.ts";
import type { World } from "./world.ts";

/** An outage of 1.9 s at a budget of 5 s, on a path that then loses 2.5 % each way. */
const WORLD: World = {
  budgetMs: 5000,
  hasRtoCap: false,
  onDead: "reset",
  rttMs: 1,
  loss: 0.025,
  answersEveryMs: 500,
  connections: [{ writeEveryMs: 5000, isAnswered: false, peerWritesEveryMs: 0 }],
  program: { keepalive: null, userTimeoutMs: 0 },
  events: [{ is: "outage", atMs: 9990, toMs: 11_900, way: "both" }],
  forMs: 20_000,
  seed: 1,
};

function lifeOf(leftAt: readonly number[]): Life {
  return { words: [], endedAtMs: null, isKernels: false, atTheEnd: null, lostAt: [], leftAt };
}

describe("the live peers that loss kills after an outage", () => {
  it("are one in twenty at 2.5 % each way, where one transmission leaves between it and the budget's end", () => {
    const leftAt = [9500, 10_000, 10_200, 10_400, 10_800, 11_600, 13_200];
    expect(expectedAfterOutage(WORLD, lifeOf(leftAt), 0)).toBeCloseTo(1 - 0.975 ** 2, 10);
  });

  it("are one in 400 where two leave", () => {
    const [hasRtoCap, leftAt] = [true, [9500, 10_000, 10_200, 10_400, 10_800, 11_600, 12_600]];
    const expected = expectedAfterOutage({ ...WORLD, hasRtoCap }, lifeOf(leftAt), 0);
    expect(expected).toBeCloseTo((1 - 0.975 ** 2) ** 2, 10); // 14.6 s is beyond the budget
  });

  it("are none without an outage in which something left", () => {
    expect(expectedAfterOutage(WORLD, lifeOf([9500, 12_000]), 0)).toBe(0);
  });

  it("are too many if a Poisson law has no more in 9999 of 10,000 cases", () => {
    expect([0, 0.1, 1, 10, 100].map(mostOf)).toEqual([0, 3, 6, 24, 139]);
  });
});
