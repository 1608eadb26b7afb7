import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { outageOf } from "../../src/core/judge/quick-terms.ts";
import { LossProcess } from "../../src/testing/loss-process.ts";
import { seededRandom } from "../../src/testing/seeded-random.ts";
import type { WatchOptions } from "../../src/watch/options.ts";
import { longOrShort } from "../setup/run-length.ts";
import { heartbeatOver, modelledPort, VirtualProcess } from "./virtual-process.ts";

vi.mock("../../src/kernel/port/open-port.ts", () => modelledPort);
vi.mock("../../src/kernel/options/has-rto-max.ts", () => ({ hasRtoMax: () => true }));

let virtual: VirtualProcess;

/** Long enough for the peer to be known to answer. */
const CALM_MS = 2000;
const TEST_MS = 1_800_000;
const LATE_MS = 50;
const SEED = Number(process.env.HALFOPEN_SEED ?? 20_261_130);
const OUTAGES = longOrShort(10_000, 40);
const CUTS = longOrShort(1000, 30);
const BUDGETS = [300, 500, 700, 1000, 2000];

interface Peer {
  /** Default 1. */
  readonly rttMs?: number;
  readonly rttAt?: (at: number) => number;
  isUp(at: number): boolean;
  /** How long its process takes for an answer now; `null`: for ever. Default 1. */
  readonly answersIn?: (at: number) => number | null;
}

interface Ended {
  readonly atMs: number | null;
  readonly cause: string | null;
}

/** Watches a connection until `untilMs`. */
async function run(peer: Peer, options: WatchOptions, untilMs: number): Promise<Ended> {
  const { rttMs = 1, answersIn = () => 1, ...path } = peer;
  const connected = virtual.connect({ rttMs, ...path });
  const { socket, kernel, from } = connected;
  let isOver = false;
  const answers = (): number | null => answersIn(performance.now() - from);
  const heartbeat = heartbeatOver(kernel, answers, () => isOver);
  let ended: Ended = { atMs: null, cause: null };
  const w = virtual.watch(socket, { heartbeat, ...options });
  w.on("dead", ({ cause }) => {
    ended = { atMs: performance.now() - from, cause };
  });
  await virtual.runTo(connected, untilMs);
  w.close();
  isOver = true;
  return ended;
}

describe.each(BUDGETS)("a budget of %d ms", (detectWithinMs) => {
  const options = { detectWithinMs };
  const outageMs = outageOf(detectWithinMs);
  /** An instant of the i-th run. */
  const momentOf = (i: number): number => CALM_MS + detectWithinMs * seededRandom(SEED + i)();

  beforeAll(async () => {
    virtual = await VirtualProcess.start();
  });
  afterAll(() => virtual.end());

  it(
    `survives each outage of ${outageMs} ms, whenever it begins`,
    async () => {
      for (let i = 0; i < OUTAGES; i++) {
        const start = momentOf(i);
        const isUp = (at: number): boolean => at < start || at >= start + outageMs;
        const answersIn = (): number => [1, 30, 80][i % 3] as number;
        const { atMs, cause } = await run({ isUp, answersIn }, options, start + 2500);
        expect(atMs, `seed ${SEED + i}: ${cause}`).toBeNull();
      }
    },
    TEST_MS,
  );

  it(
    "finds a host that is cut off, at whatever moment",
    async () => {
      const found: number[] = [];
      for (let i = 0; i < CUTS; i++) {
        const cut = momentOf(i);
        const { atMs, cause } = await run({ isUp: (at) => at < cut }, options, cut + 3000);
        expect(cause).toBe("path-silent");
        found.push((atMs ?? Number.NaN) - cut);
      }
      console.log(`${detectWithinMs} ms: found after ${spanOf(found)} ms`);
      expect(Math.max(...found)).toBeLessThanOrEqual(detectWithinMs + LATE_MS);
    },
    TEST_MS,
  );

  it(
    "finds a process that hangs",
    async () => {
      for (let i = 0; i < CUTS / 3; i++) {
        const hung = momentOf(i);
        const answersIn = (at: number): number | null => (at < hung ? 1 : null);
        const { atMs, cause } = await run({ isUp: () => true, answersIn }, options, hung + 3000);
        expect(cause).toBe("peer-hung");
        expect((atMs ?? Number.NaN) - hung).toBeLessThanOrEqual(detectWithinMs + LATE_MS);
      }
    },
    TEST_MS,
  );

  it.each([0.01, 0.05])(
    "ends no connection on a path that loses %d of what leaves, each way",
    async (loss) => {
      for (let i = 0; i < longOrShort(50, 2); i++) {
        const law = new LossProcess(1 - (1 - loss) ** 2, seededRandom(SEED + i));
        const untilMs = longOrShort(600_000, 60_000);
        const { atMs, cause } = await run({ isUp: (at) => !law.isLost(at) }, options, untilMs);
        expect(atMs, `seed ${SEED + i}: ${cause}`).toBeNull();
      }
    },
    TEST_MS,
  );

  it(
    "ends no connection whose round trip jumps from 0.1 to 60 ms",
    async () => {
      for (let i = 0; i < CUTS / 3; i++) {
        const jump = momentOf(i);
        const rttAt = (at: number): number => (at < jump ? 0.1 : 60);
        const { atMs, cause } = await run(
          { rttMs: 0.1, rttAt, isUp: () => true },
          options,
          jump + 3000,
        );
        expect(atMs, `seed ${SEED + i}: ${cause}`).toBeNull();
      }
    },
    TEST_MS,
  );
});

function spanOf(found: readonly number[]): string {
  const sorted = [...found].sort((a, b) => a - b).map(Math.round);
  return `${sorted[0]} to ${sorted.at(-1)}`;
}
