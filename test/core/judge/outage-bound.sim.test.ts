import { describe, expect, it } from "vitest";
import { longestOutage } from "../../../src/core/judge/outage-bound.ts";
import { planOnShortPath } from "../../../src/core/judge/short-path.ts";
import { seededRandom } from "../../../src/testing/seeded-random.ts";
import { deadAt, type Run } from "./watched-model.ts";

/** A pair of times, and whether the backoff is capped. */
interface Pair {
  readonly budgetMs: number;
  readonly surviveOutageMs: number;
  readonly hasRtoCap: boolean;
}

function atTheBound(budgetMs: number, hasRtoCap: boolean): Pair {
  const { longestMs } = longestOutage(budgetMs, { hasRtoCap });
  return { budgetMs, surviveOutageMs: longestMs, hasRtoCap };
}

const PAIRS: readonly Pair[] = [
  { budgetMs: 5000, surviveOutageMs: 0, hasRtoCap: true },
  { budgetMs: 5000, surviveOutageMs: 200, hasRtoCap: true },
  { budgetMs: 5000, surviveOutageMs: 3000, hasRtoCap: true },
  { budgetMs: 20_000, surviveOutageMs: 2000, hasRtoCap: false },
  atTheBound(2500, true),
  atTheBound(2500, false),
  atTheBound(5000, true),
  atTheBound(5000, false),
  atTheBound(10_000, true),
  atTheBound(10_000, false),
  atTheBound(20_000, true),
];

const SEED = Number(process.env.HALFOPEN_SEED ?? 20_261_130);
const OUTAGES = 10_000;
const CUTS = 1000;
/** How late a reading of the model's watch may be. */
const LATE_MS = 60;

interface Drawn extends Run {
  readonly startMs: number;
  /** When the data leaves that the verdict is about; 0: none does. */
  readonly writtenMs: number;
}

/** Draws a connection whose path changes at a random instant. */
function drawn({ budgetMs, surviveOutageMs, hasRtoCap }: Pair, i: number): Drawn {
  const next = seededRandom(SEED + i);
  const rttMs = next() < 0.5 ? 0 : Math.floor(40 * next());
  const startMs = 6000 + 10_000 * next();
  const everyMs = [Number.POSITIVE_INFINITY, 7000, 300, Number.POSITIVE_INFINITY][i % 4] as number;
  const writeAtMs = startMs + 1000 * (2 * next() - 1);
  const writtenMs = i % 4 === 3 ? writeAtMs : everyMs * Math.ceil(startMs / everyMs);
  return {
    budgetMs,
    options: { surviveOutageMs },
    isForgetful: next() < 0.5,
    ...(Number.isFinite(everyMs) ? { writeEveryMs: everyMs } : {}),
    ...(i % 4 === 3 ? { writeAtMs } : {}),
    ...(hasRtoCap ? {} : { rtoMaxMs: null }),
    path: { rttMs, isUp: () => true },
    untilMs: startMs + 4 * budgetMs,
    startMs,
    writtenMs: Number.isFinite(writtenMs) ? writtenMs : 0,
  };
}

describe.each(PAIRS)(
  "within $budgetMs ms, an outage of $surviveOutageMs ms survived, cap $hasRtoCap",
  (pair) => {
    const { budgetMs, surviveOutageMs, hasRtoCap } = pair;

    it(`ends no live peer in ${OUTAGES} outages at random moments, idle and in flight`, () => {
      for (let i = 0; i < OUTAGES; i++) {
        const run = drawn(pair, i);
        const { startMs: from } = run;
        const isUp = (at: number): boolean => at < from || at >= from + surviveOutageMs;
        const found = deadAt({ ...run, path: { ...run.path, isUp } });
        expect(found, `seed ${SEED + i}`).toBeNull();
      }
    });

    it(`finds ${CUTS} cuts in time, or when the plan says where the loss asks for more`, () => {
      const rtoMaxMs = hasRtoCap ? Math.max(1000, budgetMs / 5) : null;
      const settings = { budgetMs, surviveOutageMs, falseAlarmsPerYear: 8766e-6, rtoMaxMs };
      const { idleWithinMs, inFlightWithinMs } = planOnShortPath(settings);
      // Data that enters flight in the middle of a silence has the budget to itself. In a new
      // connection the belief asks for two attempts more than on a path that is known.
      const moreMs = budgetMs < 5000 || !hasRtoCap ? 2 * Math.max(600, rtoMaxMs ?? 2000) : 0;
      const within = Math.max(budgetMs, idleWithinMs, inFlightWithinMs) + moreMs;
      for (let i = 0; i < CUTS; i++) {
        const run = drawn(pair, i);
        const { startMs, writtenMs } = run;
        const found = deadAt({ ...run, path: { ...run.path, isUp: (at) => at < startMs } });
        const from = found !== null && writtenMs < found ? Math.max(startMs, writtenMs) : startMs;
        expect((found ?? Number.POSITIVE_INFINITY) - from, `seed ${SEED + i}`).toBeLessThanOrEqual(
          within + run.path.rttMs + LATE_MS,
        );
      }
    });
  },
);
