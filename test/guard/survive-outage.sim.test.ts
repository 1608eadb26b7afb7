import { describe, expect, it } from "vitest";
import { OutageBoundError } from "../../src/core/errors.ts";
import { requireGuardOutage } from "../../src/guard/budget.ts";
import { seededRandom } from "../../src/testing/seeded-random.ts";
import { KernelModel, type Path } from "../core/judge/kernel-model.ts";
import { longOrShort } from "../setup/run-length.ts";
import { ModelWorld } from "./model-world.ts";

/** Each pair is the bound, so one ms more is refused. */
const PAIRS: readonly (readonly [number, number, boolean])[] = [
  [5000, 2430, true],
  [5000, 2105, false],
  [10_000, 6230, true],
  [10_000, 4423, false],
];
const RUNS = longOrShort(200, 60);
const SEED = Number(process.env.HALFOPEN_SEED ?? 20_261_130);

function run(
  [budgetMs, surviveOutageMs, hasRtoCap]: (typeof PAIRS)[number],
  i: number,
  isCut: boolean,
): { endedMs: number | null } {
  const next = seededRandom(SEED + i);
  const from = 4000 + 5000 * next();
  const path: Path = {
    rttMs: Math.floor(20 * next()),
    isUp: (now) => now < from || (!isCut && now >= from + surviveOutageMs),
  };
  const world = new ModelWorld({
    budgetMs,
    surviveOutageMs,
    hasRtoCap,
    sweepMs: Math.min(2000, budgetMs / 5),
  });
  const rtoMaxMs = hasRtoCap ? Math.max(1000, budgetMs / 5) : 120_000;
  const kernel = new KernelModel(path, { rtoMaxMs, keepalive: false });
  const key = world.add(kernel, [10, 0, 0, 2], i % 2 === 0 ? null : 300);
  world.run(from + 3 * budgetMs);
  const endedAt = world.endedAt.get(key);
  return { endedMs: endedAt === undefined ? null : endedAt - from };
}

describe.each(PAIRS)("a guard within %d ms that survives %d ms, cap %s", (...pair) => {
  const [budgetMs, surviveOutageMs, hasRtoCap] = pair;

  it("refuses a longer outage, with the nearest pair", () => {
    requireGuardOutage(budgetMs, surviveOutageMs, hasRtoCap);
    const longer = surviveOutageMs + 1;
    try {
      requireGuardOutage(budgetMs, longer, hasRtoCap);
      expect.unreachable();
    } catch (error) {
      expect(error).toBeInstanceOf(OutageBoundError);
      const { longestOutageMs, nearest } = error as OutageBoundError;
      expect(longestOutageMs).toBe(surviveOutageMs);
      expect(nearest.surviveOutageMs).toBe(longer);
      expect(nearest.detectWithinMs - budgetMs).toBeLessThanOrEqual(5);
      requireGuardOutage(nearest.detectWithinMs, longer, hasRtoCap);
    }
  });

  it(`ends no live peer in ${RUNS} outages, idle and writing`, () => {
    for (let i = 0; i < RUNS; i++)
      expect(run(pair, i, false).endedMs, `seed ${SEED + i}`).toBeNull();
  });

  it(`ends a cut connection in time, ${RUNS} cuts`, () => {
    // Without a cap the sixth transmission of the smallest budget leaves after 7.2 s at this round
    // trip.
    const withinMs = Math.max(budgetMs + 250, hasRtoCap ? 0 : 7500);
    for (let i = 0; i < RUNS; i++) {
      const { endedMs } = run(pair, i, true);
      expect(endedMs ?? Number.POSITIVE_INFINITY, `seed ${SEED + i}`).toBeLessThanOrEqual(
        withinMs + 60 + (i % 2 === 0 ? 0 : 300),
      );
    }
  });
});
