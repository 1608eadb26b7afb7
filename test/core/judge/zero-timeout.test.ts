import { expect, it } from "vitest";
import { PathTiming } from "../../../src/core/judge/path-timing.ts";

it("a retransmission timeout of 0, which no kernel has, is taken for none that is told", () => {
  const timing = new PathTiming(5000, null);
  const { rtoMs } = timing;
  timing.learn({ state: "ESTABLISHED", rtoMs: 0, rttMs: 0 });
  expect(timing.rtoMs).toBe(rtoMs);
  timing.learn({ state: "ESTABLISHED", rtoMs: 300, rttMs: 50 });
  expect(timing.rtoMs).toBe(300);
});
