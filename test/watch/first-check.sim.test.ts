import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { modelledPort, VirtualProcess } from "./virtual-process.ts";

vi.mock("../../src/kernel/port/open-port.ts", () => modelledPort);

const BUDGET_MS = 2500;
/** The program's first answer has this time for itself. */
const UNDISTURBED_MS = 100;
/** With this one a verdict depends on whether the first transmission is dated. */
const RTT_MS = 46;
/** Two readings of data in flight are this far apart. */
const LATE_MS = 250;

let virtual: VirtualProcess;
beforeAll(async () => {
  virtual = await VirtualProcess.start();
});
afterAll(() => virtual.end());

describe("the first check of a connection", () => {
  it("leaves a new connection alone at first, and comes at once to one that was silent", async () => {
    const { Connection } = await import("../../src/watch/connection.ts");
    const check = vi.spyOn(Connection.prototype, "check");
    for (const silentForMs of [0, 1000]) {
      const connected = virtual.connect({ rttMs: 1, isUp: () => true });
      await virtual.runTo(connected, silentForMs);
      check.mockClear();
      const w = virtual.watch(connected.socket, { detectWithinMs: BUDGET_MS });
      await virtual.runTo(connected, silentForMs + UNDISTURBED_MS);
      expect(check).toHaveBeenCalledTimes(silentForMs === 0 ? 0 : 1);
      w.close();
    }
    check.mockRestore();
  });

  it("dates what left before it: a peer that is gone is found as soon as later on", async () => {
    /** When the peer was found, after data left for it in vain `sentAt` after the watch began. */
    const foundAfterMs = async (sentAt: number): Promise<number> => {
      const connected = virtual.connect({ rttMs: RTT_MS, isUp: (at) => at < sentAt - 1 });
      let foundAt = Number.POSITIVE_INFINITY;
      virtual.watch(connected.socket, { detectWithinMs: 4 * BUDGET_MS }).on("dead", () => {
        foundAt = performance.now() - connected.from;
      });
      virtual.writeAt(connected, sentAt);
      await virtual.runTo(connected, sentAt + 8 * BUDGET_MS);
      return foundAt - sentAt;
    };
    expect(await foundAfterMs(5)).toBeLessThanOrEqual((await foundAfterMs(1000)) + LATE_MS);
  });
});
