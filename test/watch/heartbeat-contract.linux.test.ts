import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type Diagnosis,
  type Heartbeat,
  type Watcher,
  type WatchOptions,
  watch,
} from "../../src/index.ts";
import { loopbackPair, type Pair } from "./loopback.ts";

const BUDGET_MS = 2500;
const TICK_MS = 40;
const never = (): Promise<never> => new Promise(() => {});

/** A watch of a loopback connection whose peer is quiet; the kernel of the peer always answers. */
async function watched(
  heartbeat: Heartbeat,
  use: (w: Watcher, pair: Pair) => Promise<void>,
  options: WatchOptions = {},
): Promise<void> {
  await using pair = await loopbackPair();
  pair.client.resume();
  const expect = "process"; // silence counts from the first heartbeat on
  await use(watch(pair.client, { detectWithinMs: BUDGET_MS, heartbeat, expect, ...options }), pair);
}

describe("a heartbeat", () => {
  const unhandled: unknown[] = [];
  const note = (reason: unknown): void => void unhandled.push(reason);
  beforeAll(() => void process.on("unhandledRejection", note));
  afterAll(async () => {
    await sleep(20);
    process.off("unhandledRejection", note);
    expect(unhandled).toEqual([]);
  });

  it.concurrent("is called only after silence: any byte from the peer puts it off", async () => {
    const calls: number[] = [];
    const heartbeat = () => void calls.push(performance.now());
    await watched(
      () => Promise.resolve(heartbeat()),
      async (_, { accepted }) => {
        let lastByteAt = 0;
        for (let count = 0; count < 12; count++) {
          accepted.write("x");
          lastByteAt = performance.now();
          await sleep(300);
        }
        expect(calls).toEqual([]);
        while (calls.length === 0) await sleep(10);
        const quietMs = (calls[0] ?? 0) - lastByteAt;
        expect(quietMs).toBeGreaterThanOrEqual(0.4 * BUDGET_MS - TICK_MS);
        expect(quietMs).toBeLessThan(0.5 * BUDGET_MS + 200);
      },
    );
  });

  it.concurrent("has one call at a time, and a call that never settles ends with the budget", async () => {
    let calls = 0;
    const heartbeat = (): Promise<never> => {
      calls++;
      return never();
    };
    await watched(heartbeat, async (w, { client }) => {
      const startedAt = performance.now();
      const failed = once(client, "error");
      const [diagnosis] = (await once(w, "dead")) as [Diagnosis];
      const tookMs = performance.now() - startedAt;
      expect(calls).toBe(1);
      expect(tookMs).toBeGreaterThan(BUDGET_MS - 100);
      expect(tookMs).toBeLessThan(BUDGET_MS + 250);
      expect(diagnosis).toMatchObject({ cause: "peer-hung", state: "dead" });
      const [error] = await failed;
      expect(error).toMatchObject({ code: "ERR_PEER_DEAD" });
    });
  });

  it.concurrent("that fails with `expect: host` is reported, and ends no connection", async () => {
    let calls = 0;
    await watched(
      () => (calls++ === 0 ? Promise.resolve() : never()),
      async (w, { client }) => {
        const [diagnosis] = (await once(w, "suspect")) as [Diagnosis];
        expect(diagnosis.cause).toBe("peer-hung");
        await sleep(BUDGET_MS);
        expect({ state: w.state, isDestroyed: client.destroyed }).toEqual({
          state: "suspect",
          isDestroyed: false,
        });
      },
      { expect: "host" },
    );
  });

  it.concurrent.each<[string, (message: string) => Promise<never>]>([
    ["a rejection", (message) => Promise.reject(new Error(message))],
    [
      "a synchronous throw",
      (message) => {
        throw new Error(message);
      },
    ],
    ["a rejection with a string", (message) => Promise.reject(message)],
  ])(
    "that fails is evidence, and is called again at most four times a second: %s",
    async (_, fail) => {
      const calls: number[] = [];
      const heartbeat = (): Promise<never> => {
        calls.push(performance.now());
        return fail("NOAUTH");
      };
      await watched(heartbeat, async (w) => {
        const [diagnosis] = (await once(w, "dead")) as [Diagnosis];
        expect(diagnosis.cause).toBe("peer-hung");
        expect(diagnosis.why.join()).toContain("the last heartbeat failed: NOAUTH");
        const pauses = calls.slice(1).map((at, index) => at - (calls[index] ?? 0));
        expect(pauses.length).toBeGreaterThan(2);
        expect(Math.min(...pauses)).toBeGreaterThan(250 - TICK_MS);
      });
    },
  );

  it.concurrent("that fails once and is then answered leaves the peer alive, and the failure is forgotten", async () => {
    let calls = 0;
    await watched(
      () => (calls++ === 0 ? Promise.reject(new Error("busy")) : Promise.resolve()),
      async (w) => {
        while (calls < 3) await sleep(50);
        expect(w.state).toBe("alive");
        expect(w.diagnosis.why.join()).not.toContain("busy");
      },
    );
  });

  it.concurrent("answered late but within the budget refutes the suspicion", async () => {
    let calls = 0;
    const lateMs = 0.5 * BUDGET_MS;
    await watched(
      async () => {
        calls++;
        await sleep(lateMs);
      },
      async (w) => {
        let wasDead = false;
        w.on("dead", () => {
          wasDead = true;
        });
        while (calls < 3) await sleep(50);
        expect({ state: w.state, wasDead }).toEqual({ state: "alive", wasDead: false });
      },
    );
  });

  it.concurrent("is timed by the monotonic clock", async () => {
    const wallClock = Date.now;
    try {
      await watched(
        async () => {
          await sleep(120);
          Date.now = () => wallClock() - 3_600_000; // somebody sets the clock back by an hour
        },
        async (w) => {
          while (Date.now === wallClock) await sleep(20);
          await sleep(20);
          expect(w.rttMs).toBeGreaterThanOrEqual(119);
          expect(w.rttMs).toBeLessThan(400);
        },
      );
    } finally {
      Date.now = wallClock;
    }
  });

  it.concurrent("may return any value instead of a promise", async () => {
    let calls = 0;
    await watched(
      () => ++calls,
      async (w) => {
        while (calls < 3) await sleep(50);
        expect(w.state).toBe("alive");
        expect(w.rttMs).toBeLessThan(50);
      },
    );
  });

  it.concurrent("that returns undefined leaves the judgement to the host's evidence", async () => {
    let calls = 0;
    await watched(
      () => void calls++,
      async (w) => {
        await sleep(2 * BUDGET_MS);
        expect(calls).toBeGreaterThan(1);
        expect(w.state).toBe("alive");
      },
    );
  });

  it.concurrent("stays the only call while a second watch shortens the budget, and its answer counts", async () => {
    const answers: (() => void)[] = [];
    const heartbeat = (): Promise<void> => new Promise((resolve) => answers.push(resolve));
    const longer = { detectWithinMs: 3 * BUDGET_MS };
    await watched(
      heartbeat,
      async (w, { client }) => {
        while (answers.length === 0) await sleep(20);
        using shorter = watch(client, { detectWithinMs: BUDGET_MS, heartbeat });
        await sleep(0.8 * BUDGET_MS);
        expect(answers.length).toBe(1);
        answers[0]?.();
        await sleep(0.35 * BUDGET_MS);
        expect({ longer: w.state, shorter: shorter.state }).toEqual({
          longer: "alive",
          shorter: "alive",
        });
      },
      longer,
    );
  });

  it.concurrent.each(["resolves", "rejects"])(
    "that %s after the watch was closed changes nothing",
    async (way) => {
      const settle: (() => void)[] = [];
      const heartbeat = (): Promise<unknown> =>
        new Promise((resolve, reject) =>
          settle.push(() => (way === "resolves" ? resolve(1) : reject(new Error("too late")))),
        );
      await watched(heartbeat, async (w, { client }) => {
        while (settle.length === 0) await sleep(20);
        const events: string[] = [];
        for (const event of ["suspect", "alive", "dead", "close"] as const)
          w.on(event, () => events.push(event));
        w.close();
        const told = [...events];
        settle[0]?.();
        await sleep(BUDGET_MS);
        expect({ events, asked: settle.length, isDestroyed: client.destroyed }).toEqual({
          events: told,
          asked: 1,
          isDestroyed: false,
        });
      });
    },
  );

  it.concurrent("that rejects after its peer was found dead changes nothing", async () => {
    let fail: () => void = () => {};
    await watched(
      () =>
        new Promise((_, reject) => {
          fail = () => reject(new Error("connection lost"));
        }),
      async (w, { client }) => {
        const events: string[] = [];
        for (const event of ["alive", "dead", "close"] as const)
          w.on(event, () => events.push(event));
        const closed = new Promise((resolve) => client.once("close", resolve));
        await once(w, "dead");
        fail();
        await closed;
        await sleep(100);
        expect(events).toEqual(["dead", "close"]);
      },
    );
  });
});
