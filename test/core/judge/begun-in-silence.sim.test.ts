import { describe, expect, it } from "vitest";
import { ORDINARY_ANSWERS } from "../../../src/core/judge/answers.ts";
import { OUTAGE_SHARE } from "../../../src/core/judge/probe-plan.ts";
import { seededRandom } from "../../../src/testing/index.ts";
import { longOrShort } from "../../setup/run-length.ts";
import { MODEL_DEFAULTS, type ModelOptions } from "./kernel-model.ts";
import { type Run, watchModel } from "./watched-model.ts";

const SEED = Number(process.env.HALFOPEN_SEED ?? 20_261_129);
const RUNS = longOrShort(2000, 400);
const BUDGETS = [2500, 5000, 10_000, 20_000];
/**
 * Caps on backoff that may be in force when the watch begins: none, the program's, an earlier
 * watch's.
 */
const CAPS = [MODEL_DEFAULTS.rtoMaxMs, 1000, 4000];

/**
 * A stall counts from when a reading was due. A calm connection's next reading is due within a
 * budget, so a stall this long is longer than an outage may be.
 */
const STALL_BUDGETS = 1 + 1.1 * OUTAGE_SHARE;

/** Activity that is under way when the watch begins. */
const FLOWS = [
  { name: "idle, the program's keepalive unanswered", flow: "idle" },
  { name: "data in flight, sent again and again", flow: "in-flight" },
  { name: "a closed window, probed in vain", flow: "blocked" },
] as const;

interface Scene {
  readonly flow: (typeof FLOWS)[number]["flow"];
  readonly budgetMs: number;
  readonly rttMs: number;
  readonly outage: { readonly from: number; readonly until: number };
  readonly capMs: number;
  readonly next: () => number;
}

/** A connection that an outage catches in the given flow. */
function runOf({
  flow,
  budgetMs,
  rttMs,
  outage,
  capMs,
  next,
}: Scene): Run & { readonly program: Partial<ModelOptions> } {
  const path = { rttMs, isUp: (now: number) => now < outage.from || now >= outage.until };
  const traffic = {
    idle: {},
    "in-flight": { writeAtMs: outage.from + 500 * next() },
    blocked: { writeEveryMs: 250, closesWindowAtMs: outage.from - 10_000 * next() - 500 },
  }[flow];
  const program = {
    rtoMaxMs: capMs,
    idleMs: 1000 + 4000 * next(),
    intervalMs: 1000,
    keepalive: flow === "idle",
  };
  const options = { answers: ORDINARY_ANSWERS }; // else unanswered probes would prove nothing
  return {
    budgetMs,
    path,
    untilMs: outage.until + 4 * budgetMs + 10_000,
    isForgetful: next() < 0.5,
    options,
    program,
    ...traffic,
  };
}

function pick<T>(values: readonly T[], next: () => number): T {
  return values[Math.floor(next() * values.length)] as T;
}

/** Returns the seeds with which a live peer was called dead, or ended by the kernel. */
function falseAlarms(what: string, runFor: (next: () => number) => Run): number[] {
  const seeds: number[] = [];
  for (let seed = SEED; seed < SEED + RUNS; seed++) {
    const { deadAt: dead, kernelEndedAt } = watchModel(runFor(seededRandom(seed)));
    if (dead !== null || kernelEndedAt !== null) seeds.push(seed);
  }
  console.log(`${what}: ${seeds.length} of ${RUNS} live peers called dead`);
  return seeds.slice(0, 10);
}

/** Half a minute is less than the kernel's patience with a stopped process. */
const LONGEST_OUTAGE_MS = 30_000;

/** Draws an outage that begins at 12 to 22 s and ends before the kernel gives up. */
function sceneOf(flow: Scene["flow"], next: () => number): Scene {
  const from = 12_000 + 10_000 * next();
  const capMs = pick(CAPS, next);
  const longestMs = Math.min(LONGEST_OUTAGE_MS, 11 * capMs);
  const outage = { from, until: from + 1000 + (longestMs - 1000) * next() ** 2 };
  return {
    flow,
    budgetMs: pick(BUDGETS, next),
    rttMs: pick([0, 10, 200, 700], next),
    outage,
    capMs,
    next,
  };
}

describe.each(FLOWS)("a watch that begins in the middle of an outage: $name", ({ flow }) => {
  it("does not call a live peer dead when the outage ends just before the watch begins or within the survived time after", () => {
    const seeds = falseAlarms(flow, (next) => {
      const scene = sceneOf(flow, next);
      const { budgetMs, outage } = scene;
      const earliest = Math.max(outage.from + 700, outage.until - 0.95 * OUTAGE_SHARE * budgetMs);
      const { program, ...run } = runOf(scene);
      return {
        ...run,
        begins: { atMs: Math.floor(earliest + next() * (outage.until + 100 - earliest)), program },
      };
    });
    expect(seeds).toEqual([]);
  });

  it("finds a peer that is gone for good within the budget, or by the kernel's next attempt", () => {
    for (let seed = SEED; seed < SEED + RUNS / 4; seed++) {
      const next = seededRandom(seed);
      const scene = sceneOf(flow, next);
      const { budgetMs, outage, capMs, rttMs } = scene;
      const { program, ...run } = runOf({
        ...scene,
        outage: { ...outage, until: Number.POSITIVE_INFINITY },
      });
      const atMs = Math.floor(outage.until);
      const { deadAt, kernelEndedAt } = watchModel({
        ...run,
        untilMs: atMs + 300_000,
        begins: { atMs, program },
      });
      const found = deadAt ?? kernelEndedAt ?? Number.POSITIVE_INFINITY;
      // Without a cap the kernel's next attempt is at most as far off as the outage was long. Two
      // attempts may be needed.
      const nextMs =
        flow === "idle" ? 0 : Math.min(capMs, 2.1 * (atMs - outage.from + 10_000) + 500);
      const needs = Math.max(budgetMs, 6500 + 6 * rttMs);
      expect(found - atMs, `seed ${seed}`).toBeLessThanOrEqual(needs + 2 * nextMs);
    }
  });
});

describe.each(FLOWS)(
  "a watch that goes on after a long stall of its process: $name",
  ({ flow }) => {
    it("does not call a peer dead that came back just now", () => {
      const seeds = falseAlarms(flow, (next) => {
        const scene = sceneOf(flow, next);
        const { budgetMs, outage, capMs } = scene;
        const fromMs = Math.floor(outage.from + 500 + 1000 * next());
        const untilMs = Math.floor(
          Math.max(
            fromMs + STALL_BUDGETS * budgetMs,
            outage.until - 0.95 * OUTAGE_SHARE * budgetMs * next(),
          ),
        );
        const { program: _, ...run } = runOf(scene);
        return {
          ...run,
          rtoMaxMs: capMs === MODEL_DEFAULTS.rtoMaxMs ? null : capMs,
          stall: { fromMs, untilMs },
        };
      });
      expect(seeds).toEqual([]);
    });
  },
);

describe.each(FLOWS)(
  "a connection whose budget gets shorter in the middle of a silence: $name",
  ({ flow }) => {
    it("is not called dead by earlier attempts when its peer comes back within the survived time", () => {
      const seeds = falseAlarms(flow, (next) => {
        const scene = { ...sceneOf(flow, next), budgetMs: 60_000 };
        const { outage, capMs } = scene;
        const { program: _, ...run } = runOf(scene);
        const budgetMs = pick(BUDGETS, next);
        const retune = {
          atMs: Math.floor(outage.until - 0.95 * OUTAGE_SHARE * budgetMs * next()),
          budgetMs,
        };
        return { ...run, rtoMaxMs: capMs === MODEL_DEFAULTS.rtoMaxMs ? null : capMs, retune };
      });
      expect(seeds).toEqual([]);
    });
  },
);
