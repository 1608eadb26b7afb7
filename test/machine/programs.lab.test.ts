import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import type { Network } from "../../src/lab/network.ts";
import { DIST, type LabProcess, World } from "../../src/lab/world.ts";
import type { GuardEvent } from "../../src/machine/guard-event.ts";
import { describeWith } from "../setup/requires.ts";

const HALFOPEN = [process.execPath, fileURLToPath(new URL("../cli/main.js", DIST))];
const BUDGET_MS = 5000;
/** The aim is 500 ms. A writer asks when it writes and learns when it writes again: 4.1 to 5.7 s measured on two shared cores. */
const SLACK_MS = 750;
const WITHOUT_MS = 15_000;

/** Accepts everything and stays silent: a peer that lives. */
const SINK = `require("net").createServer((s) => s.on("error", () => {}).resume()).listen(7000, "::", () => console.log("ready"))`;
const PYTHON_IDLE = (address: string) => `
import socket, sys
s = socket.create_connection(("${address}", 7000))
try: sys.exit(0 if s.recv(1) == b"" else 0)
except OSError as e: print(e, flush=True); sys.exit(7)`;
const PYTHON_WRITING = (address: string) => `
import socket, sys, time
s = socket.create_connection(("${address}", 7000))
try:
  while True: s.sendall(b"x" * 100); time.sleep(0.1)
except OSError as e: print(e, flush=True); sys.exit(7)`;
const NODE_WRITING = (address: string) => `
const s = require("net").connect(7000, "${address}");
const timer = setInterval(() => s.write("x".repeat(100)), 100);
s.on("error", (e) => { console.log(e.code); clearInterval(timer); process.exitCode = 7; });`;

const programs = (network: Network): Record<string, string[]> => ({
  "nc, idle": ["nc", "-d", network.address("right"), "7000"],
  "redis-cli, waiting": ["redis-cli", "-h", network.address("right"), "blpop", "nothing", "0"],
  "python, idle": ["python3", "-c", PYTHON_IDLE(network.address("right"))],
  "python, writing, IPv6": ["python3", "-c", PYTHON_WRITING(network.address("right", 6))],
  "node, writing": [process.execPath, "-e", NODE_WRITING(network.address("right"))],
  "node as a grandchild, IPv6": ["sh", "-c", '"$@"; exit $?', "sh", process.execPath, "-e", NODE_WRITING(network.address("right", 6))],
});

async function serve(network: Network): Promise<void> {
  const sink = await network.spawn("right", [process.execPath, "-e", SINK]);
  await new Promise<void>((resolve) => sink.onLine((line) => line === "ready" && resolve()));
  const redis = await network.spawn("right", ["redis-server", "--save", "", "--protected-mode", "no", "--bind", "0.0.0.0"]);
  await new Promise<void>((resolve) => redis.onLine((line) => line.includes("Ready to accept") && resolve()));
}

interface Ended {
  readonly at: number;
  readonly code: number | null;
}

interface Started {
  readonly name: string;
  readonly process: LabProcess;
  ended: Ended | null;
}

async function start(network: Network, prefix: readonly string[], unprivileged: boolean): Promise<Started[]> {
  const starting = Object.entries(programs(network)).map(async ([name, argv]) => {
    const process = await network.spawn("left", [...prefix, ...argv], { unprivileged });
    const started: Started = { name, process, ended: null };
    process.onExit((code) => {
      started.ended = { at: performance.now(), code };
    });
    return started;
  });
  return Promise.all(starting);
}

/** Pulls the cable and returns how long after it each program ended. */
async function cut(network: Network, started: readonly Started[], waitMs: number): Promise<Record<string, number | null>> {
  expect(started.filter(({ ended }) => ended).map(({ name, process }) => [name, process.errors])).toEqual([]);
  await network.pullCable();
  const cutAt = performance.now();
  while (performance.now() < cutAt + waitMs && started.some(({ ended }) => !ended)) await sleep(50);
  const times = Object.fromEntries(started.map(({ name, ended }) => [name, ended ? Math.round(ended.at - cutAt) : null]));
  console.log(`ended after the cable was pulled, ms: ${JSON.stringify(times)}`);
  return times;
}

function expectInTime(times: Record<string, number | null>): void {
  const late = Object.entries(times).filter(([, ms]) => ms === null || ms > BUDGET_MS + SLACK_MS);
  expect(late).toEqual([]);
}

await describeWith(["namespaces", "redis-server", "redis-cli", "nc", "python3"], "programs that nobody changed", () => {
  it("learn in time under exec, as an ordinary user, with their own exit code", { timeout: 60_000 }, async () => {
    await using world = await World.open();
    const network = await world.network();
    await serve(network);
    const started = await start(network, [...HALFOPEN, "exec", "--detect-within", `${BUDGET_MS}ms`, "--"], true);
    await sleep(5000);
    expectInTime(await cut(network, started, BUDGET_MS + 3000));
    for (const { name, ended } of started) if (/node|python/.test(name)) expect([name, ended?.code]).toEqual([name, 7]);
  });

  it("learn in time under guard --apply, and its log has the evidence", { timeout: 60_000 }, async () => {
    await using world = await World.open();
    const network = await world.network();
    await serve(network);
    const started = await start(network, [], true);
    const guard = await network.spawn("left", [...HALFOPEN, "guard", "--detect-within", `${BUDGET_MS}ms`, "--apply", "--json"]);
    const events: GuardEvent[] = [];
    guard.onLine((line) => events.push(JSON.parse(line) as GuardEvent));
    await sleep(5000);
    expectInTime(await cut(network, started, BUDGET_MS + 3000));
    expect(guard.errors).toEqual([]);
    const ended = events.filter(({ action }) => action === "destroy");
    expect(ended.map(({ diagnosis }) => diagnosis?.cause)).toEqual(started.map(() => "path-silent"));
    for (const { diagnosis } of ended) expect(diagnosis?.evidence.unansweredAttempts).toBeGreaterThan(1);
    const exit = new Promise((resolve) => guard.onExit((code) => resolve(code)));
    await guard.signal("SIGTERM");
    expect(await exit).toBe(0);
  });

  it(`do not learn by themselves within ${WITHOUT_MS} ms`, { timeout: 60_000 }, async () => {
    await using world = await World.open();
    const network = await world.network();
    await serve(network);
    const started = await start(network, [], true);
    await sleep(3000);
    const times = await cut(network, started, WITHOUT_MS);
    expect(Object.values(times)).toEqual(started.map(() => null));
  });
});
