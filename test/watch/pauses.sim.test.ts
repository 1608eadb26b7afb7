import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { longOrShort } from "../setup/run-length.ts";
import { type Connected, modelledPort, VirtualProcess } from "./virtual-process.ts";

vi.mock("../../src/kernel/port/open-port.ts", () => modelledPort);

let virtual: VirtualProcess;
beforeAll(async () => {
  virtual = await VirtualProcess.start();
});
afterAll(() => virtual.end());

const BUDGET_MS = 5000;
const SUSPENDED_AT_MS = 30_000;
const HOUR_MS = 3_600_000;
const CONNECTIONS = longOrShort(15_000, 1500);
/** Probes that a queue of the kernel takes at once; the test counts them in steps of this length. */
const [QUEUE, STEP_MS] = [1000, 50];

describe("a machine that was suspended", () => {
  it("asks thousands of peers at once, spread so that no queue is full; finds the gone within half of the budget, and suspects no other", {
    timeout: 300_000,
  }, async () => {
    const all: {
      connected: Connected;
      isGone: boolean;
      deadAt: number | null;
      events: string[];
    }[] = [];
    for (let i = 0; i < CONNECTIONS; i++) {
      const isGone = i % 10 === 0;
      const connected = virtual.connect({
        rttMs: 1,
        isUp: (at) => !isGone || at < SUSPENDED_AT_MS,
      });
      const one = { connected, isGone, deadAt: null as number | null, events: [] as string[] };
      const w = virtual.watch(connected.socket, { detectWithinMs: BUDGET_MS });
      w.on("suspect", () => one.events.push("suspect"));
      w.on("dead", () => {
        one.events.push("dead");
        one.deadAt = performance.now() - connected.from;
      });
      all.push(one);
    }
    const first = all[0]?.connected as Connected;
    await virtual.runTo(first, SUSPENDED_AT_MS);
    const probesBefore = all.map(({ connected }) => connected.kernel.probesSent);
    for (const one of all) one.events.length = 0;
    virtual.suspend(HOUR_MS);

    let sent = all.reduce((sum, { connected }) => sum + connected.kernel.probesSent, 0);
    let most = 0;
    for (let at = SUSPENDED_AT_MS; at < SUSPENDED_AT_MS + 2500; at += STEP_MS) {
      await virtual.runTo(first, at + STEP_MS);
      const now = all.reduce((sum, { connected }) => sum + connected.kernel.probesSent, 0);
      most = Math.max(most, now - sent);
      sent = now;
    }
    const isAsked = all.filter(
      ({ connected }, i) => connected.kernel.probesSent > (probesBefore[i] ?? 0),
    );
    expect(isAsked).toHaveLength(all.length);
    expect(most).toBeLessThan(QUEUE);

    await virtual.runTo(first, SUSPENDED_AT_MS + 2 * BUDGET_MS);
    // No probe leaves before 1 s of silence (TCP_KEEPIDLE), and the next ones 0.6 s apart.
    const spreadMs = 0.1 * CONNECTIONS + 1000 + 600;
    for (const { isGone, deadAt, events } of all) {
      if (isGone)
        expect((deadAt ?? Number.POSITIVE_INFINITY) - SUSPENDED_AT_MS).toBeLessThanOrEqual(
          BUDGET_MS / 2 + spreadMs + 100,
        );
      else expect(events).toEqual([]);
    }
  });
});
