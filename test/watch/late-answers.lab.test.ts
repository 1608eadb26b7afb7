import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import type { LabProcess } from "../../src/lab/lab-machine.ts";
import type { Network } from "../../src/lab/network.ts";
import { slowLink } from "../../src/lab/slow-link.ts";
import { World } from "../../src/lab/world.ts";
import { isMachineBusy } from "../setup/grace.ts";
import { describeWith } from "../setup/requires.ts";

const PROGRAM = [process.execPath, new URL("late-answers.mjs", import.meta.url).pathname];

interface Told {
  readonly id: string;
  readonly event: "connected" | "suspect" | "overdue" | "alive" | "dead" | "now";
  readonly atMs: number;
  readonly cause: string;
  readonly why: readonly string[];
  readonly unknown: readonly string[];
  readonly silentForMs: number | null;
  readonly lossRatio: number;
  readonly rttMs?: number;
  readonly withinMs: { readonly idle: number; readonly inFlight: number };
}

interface Watching {
  readonly process: LabProcess;
  readonly told: readonly Told[];
  /** Resolves with the state of all connections. */
  now(): Promise<readonly Told[]>;
}

type Kind = "idle" | "upload" | "download" | "talk";

/**
 * The loss that one series of attempts teaches. On a busy machine the kernel's own timers and
 * answers come up to 300 ms late, beside the delay of the path, and an attempt may be taken for
 * lost: never so often that the path is called lossy.
 */
const ONE_SERIES = 0.04;

async function start(
  network: Network,
  kinds: readonly Kind[],
  detectWithinMs: number,
): Promise<Watching> {
  for (const host of ["left", "right"] as const)
    await network.run(host, ["sysctl", "-qw", "net.ipv4.tcp_congestion_control=reno"]);
  const peer = await network.spawn("right", [...PROGRAM, "serve"]);
  await new Promise<void>((resolve) => peer.onLine(() => resolve()));
  const spec = kinds.map((kind, i) => ({ id: `${kind} ${i}`, kind, detectWithinMs }));
  const subject = await network.spawn(
    "left",
    [...PROGRAM, network.address("right"), JSON.stringify(spec)],
    { unprivileged: true },
  );
  const told: Told[] = [];
  subject.onLine((line) => told.push(JSON.parse(line) as Told));
  while (told.length === 0 && subject.errors.length === 0) await sleep(50);
  const now = async (): Promise<readonly Told[]> => {
    const before = told.length;
    await subject.write("tell");
    const states = (): Told[] => told.slice(before).filter(({ event }) => event === "now");
    while (states().length < kinds.length && subject.errors.length === 0) await sleep(50);
    if (subject.errors.length > 0) throw new Error(subject.errors.join("\n"));
    return states();
  };
  return { process: subject, told, now };
}

/** Limits what the router sends to a host, and lets it keep what it cannot send for a minute. */
function bloat(network: Network, towards: "left" | "right", rate: string): Promise<void> {
  return slowLink(network, towards, `rate ${rate} burst 5kb latency 60s`);
}

function summary(told: readonly Told[]): string {
  const count = (kind: string): number => told.filter(({ event }) => event === kind).length;
  return `${count("suspect")} suspicions, ${count("overdue")} overdue, ${count("dead")} dead`;
}

function expectNobodyDied(told: readonly Told[], states: readonly Told[]): void {
  console.log(
    `${summary(told)}; ${states.map(({ id, rttMs, lossRatio }) => `${id}: ${rttMs} ms, ${(100 * lossRatio).toFixed(1)} % lost`).join("; ")}`,
  );
  expect(told.filter(({ event }) => event === "dead")).toEqual([]);
  const known = isMachineBusy() ? ONE_SERIES : 0;
  expect(Math.max(...states.map(({ lossRatio }) => lossRatio))).toBeLessThanOrEqual(known);
  expect(states.map(({ cause }) => cause)).not.toContain("lossy-path");
}

await describeWith(["namespaces", "tc"], "a path whose answers come late", () => {
  it.concurrent("is neither dead nor lossy while an upload at 128 kbit/s fills its queue, at a budget of 10 s", {
    timeout: 180_000,
  }, async () => {
    await using world = await World.open();
    const network = await world.network({ variant: "router" });
    await bloat(network, "right", "128kbit");
    const { told, now } = await start(network, ["upload", "idle", "idle"], 10_000);
    await sleep(75_000);
    const states = await now();
    expectNobodyDied(told, states);
    // The lab has what it is meant to have.
    expect(states[0]?.rttMs).toBeGreaterThan(5000);
  });

  it.concurrent("is not lossy at 512 kbit/s and a budget of 5 s", {
    timeout: 120_000,
  }, async () => {
    await using world = await World.open();
    const network = await world.network({ variant: "router" });
    await bloat(network, "right", "512kbit");
    const { told, now } = await start(network, ["upload", "idle"], 5000);
    await sleep(45_000);
    const states = await now();
    expectNobodyDied(told, states);
    expect(states[0]?.rttMs).toBeGreaterThan(500);
  });

  it.concurrent("is neither dead nor lossy while a download fills the queue of the other direction", {
    timeout: 120_000,
  }, async () => {
    await using world = await World.open();
    const network = await world.network({ variant: "router" });
    await bloat(network, "left", "512kbit");
    const { told, now } = await start(network, ["download", "idle", "talk"], 5000);
    await sleep(45_000);
    expectNobodyDied(told, await now());
  });

  it.concurrent("is neither dead nor lossy when a satellite's round trip steps by 1.2 s, with traffic both ways", {
    timeout: 120_000,
  }, async () => {
    await using world = await World.open();
    const network = await world.network({ variant: "wire" });
    const { told, now } = await start(network, ["talk", "idle", "download"], 5000);
    await network.setWire({ delayMs: 20 });
    for (const delayMs of [620, 20, 620, 20, 620]) {
      await sleep(8000);
      await network.setWire({ delayMs });
    }
    await sleep(8000);
    expectNobodyDied(told, await now());
  });

  it.concurrent("finds a dead peer when the delay that is known allows it", {
    timeout: 180_000,
  }, async () => {
    await using world = await World.open();
    const network = await world.network({ variant: "router" });
    await bloat(network, "right", "512kbit");
    const { told, now } = await start(network, ["upload", "idle"], 5000);
    await sleep(20_000);
    const states = await now();
    await network.pullCable();
    await sleep(90_000);
    const cutAt = states[0]?.atMs ?? 0;
    for (const { id, withinMs, rttMs } of states) {
      const dead = told.find((one) => one.id === id && one.event === "dead");
      console.log(
        `${id}: round trip ${rttMs} ms, promised ${JSON.stringify(withinMs)}, dead after ${(dead?.atMs ?? Number.NaN) - cutAt} ms`,
      );
      expect(dead, id).toBeDefined();
    }
  });
});
