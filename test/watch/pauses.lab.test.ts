import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import type { LabProcess } from "../../src/lab/lab-machine.ts";
import type { Network } from "../../src/lab/network.ts";
import { World } from "../../src/lab/world.ts";
import { describeWith } from "../setup/requires.ts";

const PROGRAM = [process.execPath, new URL("pauses.mjs", import.meta.url).pathname];
const BUDGET_MS = 5000;
const COUNT = 10;
/** The two answers to probes that a peer must have given. */
const SETTLE_MS = 8000;
/** A machine without an idle moment: 477 ms were seen, and none on a quiet one. */
const LATE_MS = 800;

interface Told {
  readonly event: string;
  readonly atMs: number;
}

async function start(network: Network): Promise<{ subject: LabProcess; told: readonly Told[] }> {
  const peer = await network.spawn("right", [...PROGRAM, "serve"]);
  await new Promise<void>((resolve) => peer.onLine(() => resolve()));
  const argv = [...PROGRAM, network.address("right"), `${BUDGET_MS}`, `${COUNT}`];
  const subject = await network.spawn("left", argv, { unprivileged: true });
  const told: Told[] = [];
  subject.onLine((line) => told.push(JSON.parse(line) as Told));
  while (told.length === 0 && subject.errors.length === 0) await sleep(50);
  await sleep(SETTLE_MS);
  return { subject, told };
}

function monotonicMs(): number {
  return Number(process.hrtime.bigint() / 1000n) / 1000;
}

/** Stops the process for a minute. */
async function stop(subject: LabProcess, meanwhile: () => Promise<unknown>): Promise<number> {
  await subject.signal("SIGSTOP");
  await sleep(30_000);
  await meanwhile();
  await sleep(30_000);
  await subject.signal("SIGCONT");
  return monotonicMs();
}

/** Blocks the event loop for 20 s. */
async function block(subject: LabProcess, meanwhile: () => Promise<unknown>): Promise<number> {
  const from = monotonicMs();
  await subject.write("20000");
  await sleep(5000);
  await meanwhile();
  await sleep(15_000);
  return from + 20_000;
}

await describeWith(["namespaces"], "a watch whose process stood still", () => {
  it.concurrent.each([
    ["stopped for a minute", stop],
    ["blocked for 20 s", block],
  ] as const)(
    "finds peers that were cut off meanwhile within half of the budget: %s",
    { timeout: 120_000 },
    async (_, pause) => {
      await using world = await World.open();
      const network = await world.network();
      const { subject, told } = await start(network);
      const wokeAt = await pause(subject, () => network.pullCable());
      await sleep(BUDGET_MS + 1000);
      const found = told.filter(({ event }) => event === "dead").map(({ atMs }) => atMs - wokeAt);
      console.log(`found after ${found.map((ms) => ms.toFixed(0)).join(", ")} ms`);
      expect(found).toHaveLength(COUNT);
      expect(Math.max(...found)).toBeLessThanOrEqual(BUDGET_MS / 2 + LATE_MS);
    },
  );

  it.concurrent.each([
    ["stopped", stop],
    ["blocked", block],
  ] as const)("leaves live peers alone: %s", { timeout: 120_000 }, async (_, pause) => {
    await using world = await World.open();
    const network = await world.network();
    const { subject, told } = await start(network);
    const before = told.length;
    await pause(subject, async () => {});
    await sleep(BUDGET_MS + 1000);
    const after = told.slice(before).map(({ event }) => event);
    expect(after.filter((event) => event !== "went on")).toEqual([]);
  });
});
