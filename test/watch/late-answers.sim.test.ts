import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { Watcher } from "../../src/watch/watcher.ts";
import type { Path } from "../core/judge/kernel-model.ts";
import { longOrShort } from "../setup/run-length.ts";
import { type Connected, modelledPort, type Told, VirtualProcess } from "./virtual-process.ts";

vi.mock("../../src/kernel/port/open-port.ts", () => modelledPort);

let virtual: VirtualProcess;
beforeAll(async () => {
  virtual = await VirtualProcess.start();
});
afterAll(() => virtual.end());

/** A connection, and what was told of it, in ms after it was made. */
interface Watched {
  readonly connected: Connected;
  readonly w: Watcher;
  readonly told: Told[];
}

/** Peers and addresses of ours that no other run has. */
let ends = 1_000_000;

function watched(
  path: Path,
  detectWithinMs: number,
  { peer = ends, local = ends }: { peer?: number; local?: number } = {},
): Watched {
  const connected = virtual.connect(path, { peer, local });
  const told: Told[] = [];
  const w = virtual.watch(connected.socket, { detectWithinMs });
  for (const event of ["suspect", "overdue", "alive", "dead", "close"] as const)
    w.on(event, (diagnosis) =>
      told.push({ event, atMs: performance.now() - connected.from, diagnosis }),
    );
  return { connected, w, told };
}

function deathsOf(all: readonly Watched[]): string[] {
  return all.flatMap(({ told }, i) =>
    told
      .filter(({ event }) => event === "dead")
      .map(({ atMs, diagnosis }) => `${i} after ${atMs} ms: ${diagnosis.why}`),
  );
}

function lossOf({ w }: Watched): number {
  return w.diagnosis.evidence.lossRatio;
}

function writeEvery(
  { connected }: Watched,
  everyMs: number,
  fromMs: number,
  untilMs: number,
): void {
  for (let at = fromMs; at < untilMs; at += everyMs) virtual.writeAt(connected, at);
}

/** Slow start fills a queue by as much as it drains: by a second each second, up to `fullMs`. */
function filling(fromMs: number, fullMs: number, drainsFromMs = Number.POSITIVE_INFINITY) {
  return (at: number): number => {
    const filled = Math.min(fullMs, Math.max(0, at - fromMs));
    return Math.max(0, filled - Math.max(0, at - drainsFromMs));
  };
}

const FULL_AT_MS = 10_000;
const budgets = fc.constantFrom(5000, 10_000, 20_000);
const fulls = fc.constantFrom(1000, 3000, 10_000, 20_000);
const phases = fc.integer({ min: 0, max: 5000 });
const RUNS = longOrShort(100, 6);
/** In one of 40 such worlds a single retransmission is taken for a loss: 2 %, once 11 %. */
const MEAN_LOSS = 0.03;
/** Minutes of virtual time on a busy machine. */
const LIMIT = { timeout: 120_000 };

describe("a queue that an upload fills", () => {
  it(
    "ends neither the upload nor an idle connection to the same peer, nor, if it is shorter than the budget, one to another peer of the route; and is hardly taken for loss",
    LIMIT,
    async () => {
      const losses: number[] = [];
      await fc.assert(
        fc.asyncProperty(budgets, fulls, phases, async (detectWithinMs, fullMs, phaseMs) => {
          ends++;
          const path = {
            rttMs: 5,
            isUp: () => true,
            queuedMs: filling(FULL_AT_MS + phaseMs, fullMs),
          };
          const upload = watched(path, detectWithinMs);
          const idle = watched(path, detectWithinMs);
          const elsewhere = watched(path, detectWithinMs, { peer: ++ends, local: ends - 1 });
          const all = [upload, idle, elsewhere];
          const untilMs = FULL_AT_MS + phaseMs + fullMs + 60_000;
          writeEvery(upload, 100, FULL_AT_MS + phaseMs, untilMs);
          await virtual.runTo(upload.connected, untilMs);

          // Another peer may have a way of its own. Where answers come later than the budget, its
          // late ones cannot be told from prompt ones to later probes.
          const isShared = fullMs < detectWithinMs;
          expect(deathsOf(isShared ? all : [upload, idle])).toEqual([]);
          losses.push(Math.max(...all.map(lossOf)));
          for (const { w } of all) w.close();
        }),
        { numRuns: RUNS },
      );
      expect(losses.reduce((sum, loss) => sum + loss, 0) / losses.length).toBeLessThan(MEAN_LOSS);
    },
  );

  it("puts a verdict off by what is known of the delay, and not beyond", LIMIT, async () => {
    await fc.assert(
      fc.asyncProperty(budgets, fulls, phases, async (detectWithinMs, fullMs, phaseMs) => {
        // Where the delay is far beyond the budget the kernel's own count ends it first.
        fc.pre(fullMs <= detectWithinMs);
        ends++;
        const from = FULL_AT_MS + phaseMs;
        const cutMs = from + 2 * fullMs + 20_000;
        const path = {
          rttMs: 5,
          isUp: (at: number) => at < cutMs,
          queuedMs: filling(from, fullMs),
        };
        const upload = watched(path, detectWithinMs);
        const idle = watched(path, detectWithinMs);
        writeEvery(upload, 100, from, cutMs + fullMs);
        await virtual.runTo(upload.connected, cutMs);
        const promisedMs = idle.w.applied?.detectWithinMs.idle ?? 0;
        // The answers under way at the cut come until then.
        const lastMs = cutMs + fullMs;
        await virtual.runTo(upload.connected, lastMs + 200_000);
        for (const { told } of [upload, idle]) {
          const dead = told.find(({ event }) => event === "dead");
          expect(dead).toBeDefined();
        }
        const foundMs = (idle.told.find(({ event }) => event === "dead")?.atMs ?? 0) - lastMs;
        expect(foundMs).toBeLessThanOrEqual(promisedMs + fullMs + 1000);
        expect(promisedMs).toBeLessThanOrEqual(detectWithinMs + 5 * fullMs + 3000);
        const suspected = idle.told.findLast(({ event }) => event === "suspect");
        if (fullMs >= 3000) expect(suspected?.diagnosis.unknown.join()).toMatch(/late/);
      }),
      { numRuns: RUNS },
    );
  });

  it(
    "is forgotten once answers are prompt again: a cut is found within the budget",
    LIMIT,
    async () => {
      await fc.assert(
        fc.asyncProperty(budgets, fulls, phases, async (detectWithinMs, fullMs, phaseMs) => {
          ends++;
          const from = FULL_AT_MS + phaseMs;
          const drains = from + 2 * fullMs;
          const cutMs = drains + 6 * fullMs + 60_000;
          const path = {
            rttMs: 5,
            isUp: (at: number) => at < cutMs,
            queuedMs: filling(from, fullMs, drains),
          };
          const upload = watched(path, detectWithinMs);
          const idle = watched(path, detectWithinMs);
          writeEvery(upload, 100, from, drains);
          await virtual.runTo(upload.connected, cutMs + 2 * detectWithinMs);
          const dead = idle.told.find(({ event }) => event === "dead");
          expect((dead?.atMs ?? Number.POSITIVE_INFINITY) - cutMs).toBeLessThanOrEqual(
            detectWithinMs + 100,
          );
          upload.w.close();
        }),
        { numRuns: RUNS },
      );
    },
  );
});

describe("answers that come late without any sibling", () => {
  it("are no loss, and make the next answers be waited for", LIMIT, async () => {
    await fc.assert(
      fc.asyncProperty(budgets, phases, async (detectWithinMs, phaseMs) => {
        ends++;
        const steps = [0.3, 0.6, 1.1, 1.8].map((share) => share * detectWithinMs);
        const lasts = 12 * detectWithinMs;
        const path = {
          rttMs: 5,
          isUp: () => true,
          queuedMs: (at: number) => {
            const step = Math.floor((at - 20_000 - phaseMs) / lasts);
            return step < 0 ? 0 : (steps[Math.min(step, steps.length - 1)] ?? 0);
          },
        };
        const idle = watched(path, detectWithinMs);
        await virtual.runTo(idle.connected, 20_000 + phaseMs + steps.length * lasts);
        expect(deathsOf([idle])).toEqual([]);
        expect(lossOf(idle)).toBe(0);
        idle.w.close();
      }),
      { numRuns: RUNS },
    );
  });
});
