import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { seededRandom } from "../../src/testing/seeded-random.ts";
import type { WatchOptions } from "../../src/watch/options.ts";
import { longOrShort } from "../setup/run-length.ts";
import { heartbeatOver, modelledPort, VirtualProcess } from "./virtual-process.ts";

vi.mock("../../src/kernel/port/open-port.ts", () => modelledPort);

/** The model has no socket of its own to try. */
const here = vi.hoisted(() => ({ hasRtoMax: true }));
vi.mock("../../src/kernel/options/has-rto-max.ts", () => ({ hasRtoMax: () => here.hasRtoMax }));

let virtual: VirtualProcess;

const CALM_MS = 10_000;
const TEST_MS = 300_000;
/** By which a verdict may be later than its deadline: a check. */
const LATE_MS = 350;
const SEED = Number(process.env.HALFOPEN_SEED ?? 20_261_130);
const OUTAGES = longOrShort(1000, 30);
const CUTS = longOrShort(100, 8);

interface Peer {
  isUp(at: number): boolean;
  /** How long its process takes for an answer. */
  readonly answersInMs: number;
}

/** Watches a connection whose heartbeats are answered; returns when it was called dead. */
async function deathOf(peer: Peer, options: WatchOptions, untilMs: number): Promise<number | null> {
  const connected = virtual.connect({ rttMs: 1, isUp: peer.isUp });
  const { socket, kernel, from } = connected;
  const heartbeat = heartbeatOver(kernel, () => peer.answersInMs);
  let death: number | null = null;
  const w = virtual.watch(socket, { heartbeat, ...options });
  w.on("dead", () => {
    death = performance.now() - from;
  });
  await virtual.runTo(connected, untilMs);
  w.close();
  return death;
}

type Pair = [detectWithinMs: number, surviveOutageMs: number];

const KERNELS: readonly { kernel: string; hasRtoCap: boolean; pairs: Pair[] }[] = [
  {
    kernel: "with a cap on backoff",
    hasRtoCap: true,
    pairs: [
      [5000, 2000],
      [5000, 3100],
    ],
  },
  {
    kernel: "without one",
    hasRtoCap: false,
    pairs: [
      [5000, 2000],
      [10_000, 4305],
    ],
  },
];

describe.each(KERNELS)(
  "a process behind a heartbeat, on a kernel $kernel",
  ({ hasRtoCap, pairs }) => {
    beforeAll(async () => {
      here.hasRtoMax = hasRtoCap;
      virtual = await VirtualProcess.start({ hasRtoCap });
    });
    afterAll(() => virtual.end());

    it.each(pairs)(
      "within %d ms: is called dead after no outage of %d ms, whenever it begins",
      async (detectWithinMs, surviveOutageMs) => {
        // 0.4 of the budget is the default, and need not be asked for.
        const isDefault = surviveOutageMs === 0.4 * detectWithinMs;
        const options = isDefault ? { detectWithinMs } : { detectWithinMs, surviveOutageMs };
        for (let i = 0; i < OUTAGES; i++) {
          const next = seededRandom(SEED + i);
          const start = CALM_MS + detectWithinMs * next();
          const isUp = (at: number): boolean => at < start || at >= start + surviveOutageMs;
          const peer = { isUp, answersInMs: i % 2 === 0 ? 1 : 100 };
          const death = await deathOf(peer, options, start + 4 * detectWithinMs);
          expect(death, `seed ${SEED + i}`).toBeNull();
        }
      },
      TEST_MS,
    );

    it.each(pairs)(
      "within %d ms: is found in time when cut, survived outage %d ms",
      async (detectWithinMs, surviveOutageMs) => {
        const isDefault = surviveOutageMs === 0.4 * detectWithinMs;
        const options = isDefault ? { detectWithinMs } : { detectWithinMs, surviveOutageMs };
        // Without a cap the heartbeat's next repetition may come that late.
        const withinMs = hasRtoCap ? detectWithinMs : 1.3 * detectWithinMs;
        let latest = 0;
        for (let i = 0; i < CUTS; i++) {
          const cut = CALM_MS + detectWithinMs * seededRandom(SEED + i)();
          const peer = { isUp: (at: number) => at < cut, answersInMs: 1 };
          const death = await deathOf(peer, options, cut + 3 * detectWithinMs);
          const after = (death ?? Number.POSITIVE_INFINITY) - cut;
          latest = Math.max(latest, after);
          expect(after, `seed ${SEED + i}`).toBeLessThanOrEqual(withinMs + LATE_MS);
        }
        console.log(
          `${detectWithinMs}/${surviveOutageMs}: latest of ${CUTS} cuts ${Math.round(latest)} ms`,
        );
      },
      TEST_MS,
    );
  },
);
