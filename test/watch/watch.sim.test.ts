import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { seededRandom } from "../../src/testing/seeded-random.ts";
import type { WatchOptions } from "../../src/watch/options.ts";
import type { Watcher } from "../../src/watch/watcher.ts";
import type { Path } from "../core/judge/kernel-model.ts";
import { longOrShort } from "../setup/run-length.ts";
import {
  type Connected,
  modelledPort,
  PROGRAM,
  type Told,
  VirtualProcess,
} from "./virtual-process.ts";

vi.mock("../../src/kernel/port/open-port.ts", () => modelledPort);

let virtual: VirtualProcess;

/** Records the events of a watcher, in ms after the connection was made. */
function watched(connected: Connected, options: WatchOptions): { w: Watcher; told: Told[] } {
  const told: Told[] = [];
  const w = virtual.watch(connected.socket, options);
  for (const event of ["suspect", "overdue", "alive", "dead", "close"] as const)
    w.on(event, (diagnosis) =>
      told.push({ event, atMs: performance.now() - connected.from, diagnosis }),
    );
  return { w, told };
}

function cutAt(at: number, rttMs = 1): Path {
  return { rttMs, isUp: (now) => now < at };
}

const budgets = fc.constantFrom(2500, 5000, 10_000, 20_000);
const rtts = fc.integer({ min: 0, max: 40 });
const RUNS = longOrShort(500, 25);
/** Time by which a verdict may be later than `applied` predicts: a round trip, a check. */
const LATE_MS = 100;

/** Writes every `everyMs`, or never. */
const writing = fc.option(fc.integer({ min: 20, max: 2500 }), { nil: null });

function writeEvery(connected: Connected, everyMs: number | null, untilMs: number): void {
  if (everyMs === null) return;
  for (let at = everyMs; at < untilMs; at += everyMs) virtual.writeAt(connected, at);
}

describe.each([
  { kernel: "with a cap on backoff", hasRtoCap: true },
  { kernel: "without a cap on backoff (Linux < 6.15)", hasRtoCap: false },
])("on a kernel $kernel", ({ hasRtoCap }) => {
  beforeAll(async () => {
    virtual = await VirtualProcess.start({ hasRtoCap });
  });
  afterAll(() => virtual.end());

  describe("a peer that is gone", () => {
    it("becomes suspect, then dead within the time that `applied` predicts, and its socket closes", async () => {
      await fc.assert(
        fc.asyncProperty(
          budgets,
          rtts,
          fc.integer({ min: 9000, max: 30_000 }),
          writing,
          async (detectWithinMs, rttMs, cut, everyMs) => {
            const connected = virtual.connect(cutAt(cut, rttMs));
            const { w, told } = watched(connected, { detectWithinMs });
            writeEvery(connected, everyMs, cut);
            // A connection that writes is cut off with data in flight. One that is never quiet has
            // shown no answer to a probe yet.
            if (everyMs !== null) virtual.writeAt(connected, cut + 20);
            await virtual.runTo(connected, cut);
            const { idle, inFlight } = w.applied?.detectWithinMs ?? {};
            await virtual.runTo(connected, cut + 4 * detectWithinMs);

            const events = told.filter(({ atMs }) => atMs > cut).map(({ event }) => event);
            expect(events.filter((event) => event !== "overdue")).toEqual([
              "suspect",
              "dead",
              "close",
            ]);
            const dead = told.find(({ event }) => event === "dead");
            expect(dead?.diagnosis).toMatchObject({ cause: "path-silent", state: "dead" });
            const foretoldMs = (everyMs === null ? idle : inFlight) ?? 0;
            expect((dead?.atMs ?? 0) - cut).toBeLessThanOrEqual(foretoldMs + 2 * rttMs + LATE_MS);
            expect(connected.socket.destroyed).toBe(true);
          },
        ),
        { numRuns: RUNS },
      );
    });

    it("is only reported with `onDead: 'report'`, and the program has its options back", async () => {
      const connected = virtual.connect(cutAt(9000));
      const { told } = watched(connected, { detectWithinMs: 5000, onDead: "report" });
      await virtual.runTo(connected, 60_000);
      expect(told.map(({ event }) => event)).toEqual(["suspect", "dead"]);
      const unknown = told.flatMap(({ diagnosis }) => diagnosis.unknown);
      expect(unknown.join(), "prompt answers are not taken for late").not.toMatch(/late/);
      expect({ isDestroyed: connected.socket.destroyed, state: connected.kernel.state }).toEqual({
        isDestroyed: false,
        state: "ESTABLISHED",
      });
      expect(connected.kernel.options).toMatchObject({ keepalive: false, rtoMaxMs: 120_000 });
    });
  });

  describe("a peer that lives", () => {
    it("is never called dead by an outage of 0.4 budgets, idle or talking", {
      timeout: 180_000,
    }, async () => {
      await fc.assert(
        fc.asyncProperty(
          budgets,
          rtts,
          fc.integer({ min: 9000, max: 20_000 }),
          fc.double({ min: 0.05, max: 0.4, noNaN: true }),
          writing,
          async (detectWithinMs, rttMs, from, share, everyMs) => {
            const until = from + share * detectWithinMs - 2 * rttMs;
            const connected = virtual.connect({ rttMs, isUp: (now) => now < from || now >= until });
            const { w, told } = watched(connected, { detectWithinMs });
            const untilMs = until + 4 * detectWithinMs;
            writeEvery(connected, everyMs, untilMs);
            await virtual.runTo(connected, untilMs);
            expect(told.map(({ event }) => event).filter((event) => event === "dead")).toEqual([]);
            expect(w.state).toBe("alive");
            expect(w.diagnosis.cause).not.toBe("lossy-path");
            const suspicions = told.filter(({ event }) => event === "suspect").length;
            expect(told.filter(({ event }) => event === "alive")).toHaveLength(suspicions);
            w.close();
          },
        ),
        { numRuns: RUNS },
      );
    });

    it("is not called dead when it answered probes and a box drops them later, while data still passes", async () => {
      const dropsProbesFromMs = performance.now() + 60_000;
      const connected = virtual.connect(cutAt(1e9), { world: { dropsProbesFromMs } });
      const { w, told } = watched(connected, { detectWithinMs: 10_000 });
      writeEvery(connected, 8000, 200_000);
      await virtual.runTo(connected, 59_000);
      expect(w.state).toBe("alive");
      await virtual.runTo(connected, 300_000);
      expect(told.map(({ event }) => event)).not.toContain("dead");
      expect(w.diagnosis).toMatchObject({ state: "suspect", certainty: "medium" });
      expect(w.diagnosis.unknown.join()).toContain("stopped while data still passed");
      w.close();
      expect(connected.kernel.options).toMatchObject({ keepalive: false });
    });

    it("is not called dead while watches with other budgets come and go during losses, and the program has its options back in the end", async () => {
      await fc.assert(
        fc.asyncProperty(fc.integer(), async (seed) => {
          const next = seededRandom(seed);
          const connected = virtual.connect({ rttMs: 2, isUp: () => next() >= 0.01 });
          const { w, told } = watched(connected, { detectWithinMs: 10_000 });
          let others: Watcher[] = [];
          for (let at = 500; at < 60_000; at += 200 + 3000 * next()) {
            virtual.at(connected, at, () => {
              const detectWithinMs = [2500, 5000, 20_000][Math.floor(3 * next())] as number;
              if (next() < 0.6) others.push(virtual.watch(connected.socket, { detectWithinMs }));
              else others.shift()?.close();
            });
            if (next() < 0.5) virtual.writeAt(connected, at + 100 * next());
          }
          await virtual.runTo(connected, 61_000);
          expect(told.filter(({ event }) => event === "dead")).toEqual([]);

          others = others.splice(0);
          for (const other of others) other.close();
          w.close();
          // Options that the connection does not bear during a loss are restored after it.
          await virtual.runTo(connected, 75_000);
          expect(connected.kernel.options).toEqual({
            ...connected.kernel.options,
            keepalive: PROGRAM.keepalive,
            userTimeoutMs: PROGRAM.userTimeoutMs,
            rtoMaxMs: PROGRAM.rtoMaxMs,
          });
        }),
        { numRuns: longOrShort(200, 20) },
      );
    });

    it("is checked rarely while idle: fewer than two times a budget", async () => {
      const connected = virtual.connect(cutAt(Number.POSITIVE_INFINITY));
      const { w } = watched(connected, { detectWithinMs: 10_000 });
      await virtual.runTo(connected, 60_000);
      let reads = 0;
      const info = connected.kernel.info.bind(connected.kernel);
      connected.kernel.info = () => {
        reads++;
        return info();
      };
      await virtual.runTo(connected, 160_000);
      expect(reads).toBeGreaterThan(5);
      expect(reads).toBeLessThan(50);
      w.close();
    });
  });

  it("spreads the probes of thousands connected together, and calls none of them dead", async () => {
    const crowd: { told: Told[]; w: Watcher; connected: Connected }[] = [];
    for (let i = 0; i < longOrShort(5000, 1500); i++) {
      const connected = virtual.connect({ rttMs: 1, isUp: () => true });
      crowd.push({ ...watched(connected, { detectWithinMs: 5000 }), connected });
    }
    const first = crowd[0]?.connected as Connected;
    await virtual.runTo(first, 30_000);
    // A probe on demand soon after the standing one falls to the peer's limit for answers, now and
    // then: a suspicion, which the next answer refutes.
    const events = crowd.flatMap(({ told }) => told.map(({ event }) => event));
    expect(events.filter((event) => event === "dead")).toEqual([]);
    expect(events.length).toBeLessThan(crowd.length / 100);
    for (const { w } of crowd) w.close();
  });
});
