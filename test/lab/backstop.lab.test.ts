import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import type { Network } from "../../src/lab/network.ts";
import { PEER_PORTS } from "../../src/lab/peer-ports.ts";
import { monotonicMs } from "../../src/lab/run-fault.ts";
import type { Traffic } from "../../src/lab/subject-messages.ts";
import { World } from "../../src/lab/world.ts";
import { describeWith } from "../setup/requires.ts";
import { startWatchedProgram } from "./watched-program.ts";

interface Setting {
  readonly budgetMs: number;
  readonly traffic: Traffic;
  readonly env?: Record<string, string>;
  readonly zeroWindowToleranceMs?: number;
}

/**
 * Counts the connections that the kernel of the watched host still holds. The process itself is
 * stopped and reports none.
 */
async function openConnections(network: Network): Promise<number> {
  const listing = await network.run("left", ["cat", "/proc/net/tcp"]);
  return listing
    .split("\n")
    .filter((line) => line.includes(`:${PEER_PORTS.sink.toString(16).toUpperCase()} 01 `)).length;
}

/**
 * Stops the watching process for good around a cut, and returns the time in ms from the cut until
 * the kernel ends the connection.
 */
async function endedByKernelAfter(setting: Setting, giveUpMs: number): Promise<number> {
  await using world = await World.open();
  const network = await world.network();
  const { env, ...connection } = setting;
  const { process: subject } = await startWatchedProgram(
    network,
    [{ id: "0", ...connection }],
    env,
  );
  await sleep(3000);
  expect(await openConnections(network)).toBe(1);
  if (setting.traffic === "idle") await subject.signal("SIGSTOP");
  const cutAt = monotonicMs();
  await network.pullCable("right");
  // In flight: data written after the cut stays unacknowledged. The next check sets the user
  // timeout, where there is one: at most 1 s of silence, an answer window and the rounding later.
  if (setting.traffic === "in-flight") {
    await sleep(1500);
    await subject.signal("SIGSTOP");
  }
  while (monotonicMs() - cutAt < giveUpMs) {
    if ((await openConnections(network)) === 0) return monotonicMs() - cutAt;
    await sleep(100);
  }
  return Number.POSITIVE_INFINITY;
}

await describeWith(
  ["namespaces"],
  "when the watching process is stopped for good, the kernel",
  () => {
    it.concurrent("ends an idle connection after idle + interval x count", {
      timeout: 90_000,
    }, async () => {
      const budgetMs = 3000;
      const tookMs = await endedByKernelAfter({ budgetMs, traffic: "idle" }, 60_000);
      console.log(
        `backstop: idle connection, budget ${budgetMs} ms, ended ${Math.round(tookMs)} ms after the cut`,
      );
      // docs/when-it-fires.md: never before two budgets, so that the kernel cannot end a live
      // connection. At the latest after 1 s idle and 40 probes of 1 s, all 1/8 late.
      expect(tookMs).toBeGreaterThan(2 * budgetMs);
      expect(tookMs).toBeLessThan(1.125 * 41_000 + 500);
    });

    it.concurrent("ends a connection with data in flight when the capped backoff runs out", {
      timeout: 60_000,
    }, async () => {
      const budgetMs = 3000;
      const tookMs = await endedByKernelAfter({ budgetMs, traffic: "in-flight" }, 40_000);
      console.log(
        `backstop: data in flight, budget ${budgetMs} ms, ended ${Math.round(tookMs)} ms after the cut`,
      );
      expect(tookMs).toBeGreaterThan(2 * budgetMs);
      expect(tookMs).toBeLessThan(1.125 * 15_000 + 1000);
    });

    it.concurrent("ends a connection with data in flight by the user timeout when it has no cap on backoff", {
      timeout: 90_000,
    }, async () => {
      const setting = {
        budgetMs: 3000,
        traffic: "in-flight" as const,
        env: { HALFOPEN_MASK: "rto-max" },
        zeroWindowToleranceMs: 12_000,
      };
      const tookMs = await endedByKernelAfter(setting, 60_000);
      console.log(
        `backstop: data in flight, no RTO cap, user timeout 12000 ms, ended ${Math.round(tookMs)} ms after the cut`,
      );
      expect(tookMs).toBeGreaterThan(11_500);
      expect(tookMs).toBeLessThan(1.125 * 12_000 + 1500);
    });
  },
);
