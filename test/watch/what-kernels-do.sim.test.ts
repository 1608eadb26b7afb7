import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { WatchOptions } from "../../src/watch/options.ts";
import type { Watcher } from "../../src/watch/watcher.ts";
import type { ModelOptions, Path } from "../core/judge/kernel-model.ts";
import { type Connected, modelledPort, PROGRAM, VirtualProcess } from "./virtual-process.ts";

const system = vi.hoisted(() => ({ retries2: 15 }));
vi.mock("../../src/kernel/port/open-port.ts", () => modelledPort);
vi.mock("../../src/kernel/options/retries.ts", () => ({
  readRetries: () => ({ tcpRetries2: system.retries2 }),
}));

let virtual: VirtualProcess;
beforeAll(async () => {
  virtual = await VirtualProcess.start();
});
afterAll(() => virtual.end());

interface Watched extends Connected {
  readonly w: Watcher;
  readonly told: string[];
}

function watched(
  path: Path,
  options: WatchOptions,
  { program = {}, retries2 = 15 }: { program?: Partial<ModelOptions>; retries2?: number } = {},
): Watched {
  system.retries2 = retries2;
  const connected = virtual.connect(path, { program, world: { retries2 } });
  const w = virtual.watch(connected.socket, options);
  const told: string[] = [];
  for (const event of ["dead", "close"] as const) w.on(event, () => told.push(event));
  return { ...connected, w, told };
}

const UP: Path = { rttMs: 5, isUp: () => true };

function outage(from: number, forMs: number): Path {
  return { rttMs: 5, isUp: (now) => now < from || now >= from + forMs };
}

describe.each([{ retries2: 1 }, { retries2: 3 }, { retries2: 5 }])(
  "where tcp_retries2 is $retries2",
  ({ retries2 }) => {
    it.each([5000, 20_000, 60_000, 600_000])(
      "data written in an outage of 0.38 budgets is delivered after it (budget %i ms)",
      async (detectWithinMs) => {
        const from = 2 * detectWithinMs;
        const outageMs = 0.38 * detectWithinMs;
        const it = watched(outage(from, outageMs), { detectWithinMs }, { retries2 });
        virtual.writeAt(it, from + 100);
        await virtual.runTo(it, from + 3 * detectWithinMs);
        expect({ told: it.told, state: it.kernel.state }).toEqual({
          told: [],
          state: "ESTABLISHED",
        });
        expect(it.kernel.info().unackedSegments).toBe(0);
        it.w.close();
        expect(it.kernel.options).toEqual(PROGRAM);
      },
    );

    it("a peer that does not read, and answers, is not ended by the user timeout that stands", async () => {
      const it = watched(UP, { detectWithinMs: 5000 }, { retries2 });
      const plain = virtual.connect(UP, { world: { retries2 } });
      for (const one of [plain, it]) {
        virtual.writeAt(one, 6000);
        virtual.at(one, 7000, () => {
          one.kernel.isPeerReading = false;
        });
        virtual.writeAt(one, 8000);
      }
      await virtual.runTo(it, 900_000);
      plain.kernel.run(performance.now());
      // With one retry the kernel ends it by itself: the peer answers no two probes in half a second.
      expect(plain.kernel.state).toBe(retries2 === 1 ? "CLOSE" : "ESTABLISHED");
      expect(it.kernel.state).toBe(plain.kernel.state);
      it.w.close();
    });

    it("a peer that is gone is found within what `applied` says, idle and in flight", async () => {
      for (const isWriting of [false, true]) {
        const it = watched(outage(20_000, 1e9), { detectWithinMs: 10_000 }, { retries2 });
        if (isWriting) virtual.writeAt(it, 20_100);
        await virtual.runTo(it, 19_000);
        const { idle = null, inFlight = null } = it.w.applied?.detectWithinMs ?? {};
        await virtual.runTo(it, 20_400 + ((isWriting ? inFlight : idle) ?? 0));
        expect(it.told).toEqual(["dead", "close"]);
      }
    });
  },
);

describe("a watch that only reports", () => {
  it.each([
    { flow: "idle", program: {} },
    { flow: "idle", program: { keepalive: true, idleMs: 7_200_000, count: 1 } },
    { flow: "in flight", program: {} },
    { flow: "in flight", program: { userTimeoutMs: 900_000 } },
    { flow: "behind a closed window", program: {} },
    { flow: "behind a closed window", program: { userTimeoutMs: 900_000 } },
  ])(
    "lets the kernel end a connection no sooner than without it, $flow, $program",
    async ({ flow, program }) => {
      const path = outage(20_000, 1e9);
      const plain = virtual.connect(path, { program });
      const it = watched(path, { detectWithinMs: 5000, onDead: "report" }, { program });
      for (const one of [plain, it]) {
        if (flow === "in flight") virtual.writeAt(one, 20_100);
        if (flow !== "behind a closed window") continue;
        virtual.writeAt(one, 6000);
        virtual.at(one, 7000, () => {
          one.kernel.isPeerReading = false;
        });
        virtual.writeAt(one, 8000);
      }
      await virtual.runTo(it, 240_000);
      // Behind a closed window the kernel probes too seldom for a verdict by then.
      const isFound = flow !== "behind a closed window";
      expect(it.told).toEqual(isFound ? ["dead"] : []);
      const isOn = isFound ? (program.keepalive ?? false) : true;
      expect(it.kernel.options.keepalive).toBe(isOn);
      const endedAt = { plain: Number.POSITIVE_INFINITY, watched: Number.POSITIVE_INFINITY };
      for (let at = 240_000; at < 3_000_000; at += 10_000) {
        await virtual.runTo(it, at);
        plain.kernel.run(performance.now());
        it.kernel.run(performance.now());
        if (plain.kernel.state === "CLOSE") endedAt.plain = Math.min(endedAt.plain, at);
        if (it.kernel.state === "CLOSE") endedAt.watched = Math.min(endedAt.watched, at);
      }
      expect(endedAt.watched).toBeGreaterThanOrEqual(endedAt.plain);
    },
  );

  it("lets the kernel end nothing though this process stands still for two hours of outage", async () => {
    const it = watched(outage(20_000, 1e9), { detectWithinMs: 5000, onDead: "report" });
    await virtual.runTo(it, 19_000);
    it.kernel.run(it.from + 7_200_000);
    expect(it.kernel.state).toBe("ESTABLISHED");
  });

  it("takes back what a stronger watch before it had set", async () => {
    const it = watched(UP, { detectWithinMs: 600_000 }, { retries2: 3 });
    const report = virtual.watch(it.socket, { detectWithinMs: 5000, onDead: "report" });
    expect(it.kernel.options).toMatchObject({ rtoMaxMs: 1000 });
    it.w.close();
    expect(it.kernel.options).toMatchObject({ rtoMaxMs: PROGRAM.rtoMaxMs, userTimeoutMs: 0 });
    report.close();
    expect(it.kernel.options).toEqual(PROGRAM);
  });
});

describe("a kernel whose ages stand still on a connection", () => {
  /** Ages that are 0 for ever, while no segment is counted. */
  function still(it: Connected): void {
    const { kernel } = it;
    const info = kernel.info.bind(kernel);
    const stuck = { lastAckReceivedMs: 0, lastDataReceivedMs: 0, segmentsIn: 0 };
    kernel.info = () => ({ ...info(), ...stuck });
  }

  it("is no evidence: the lower level takes its place, from the program's own options", async () => {
    const it = watched(UP, { detectWithinMs: 5000 });
    still(it);
    expect(it.w.applied?.level).toBe("kernel");
    await virtual.runTo(it, 4000);
    expect(it.w.applied).toMatchObject({
      level: "keepalive",
      detectWithinMs: { idle: 5000, inFlight: null },
    });
    expect(it.w.applied?.notes[0]).toContain("stood still");
    expect(it.kernel.options).toMatchObject({ keepalive: true, intervalMs: 1000, count: 2 });
    expect(it.w.diagnosis).toMatchObject({ cause: "quiet", certainty: "medium" });

    await virtual.runTo(it, 60_000);
    expect(it.told).toEqual([]);
    it.w.close();
    expect(it.kernel.options).toEqual(PROGRAM);
  });

  it("leaves a watch that only reports without a verdict, and the connection as it is", async () => {
    const it = watched(outage(20_000, 1e9), { detectWithinMs: 5000, onDead: "report" });
    still(it);
    await virtual.runTo(it, 60_000);
    expect(it.kernel.options).toEqual(PROGRAM);
    expect(it.w.applied).toMatchObject({ keepalive: null, detectWithinMs: { idle: null } });
    expect({ told: it.told, state: it.kernel.state }).toEqual({ told: [], state: "ESTABLISHED" });
  });
});
