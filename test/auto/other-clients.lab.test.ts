import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { LabProcess } from "../../src/lab/lab-machine.ts";
import type { Network } from "../../src/lab/network.ts";
import { World } from "../../src/lab/world.ts";
import { ClientProcess, monotonicMs } from "../heartbeat/client-process.mjs";
import { Folder, signal, startServers, stopAll } from "../heartbeat/servers.mjs";
import { graceMs } from "../setup/grace.ts";
import { describeWith } from "../setup/requires.ts";
import { CHECKING_CLIENTS, OTHER_CLIENTS } from "./clients/other-clients.mjs";
import { OTHER_SERVERS } from "./clients/servers.mjs";

const BUDGET_MS = 5000;
/** A client's own check is not held to a promise of ours; a busy machine delays its timers. */
const CHECK_SLACK_MS = 1000;
/** Longer than the budget with the grace of a busy machine. */
const OBSERVED_MS = BUDGET_MS + 1250;
const WORKS_WITHIN_MS = 30_000;
const AUTO = new URL("../../dist/auto/index.js", import.meta.url).pathname;

const AUTO_ENV = { HALFOPEN_DETECT_WITHIN: `${BUDGET_MS}ms`, HALFOPEN_LOG: "json" };
/** Node 20 has the global WebSocket behind this option. */
const WEB_SOCKET = process.allowedNodeEnvironmentFlags.has("--experimental-websocket")
  ? ["--experimental-websocket"]
  : [];

const NAMES = OTHER_CLIENTS.map(({ client }) => client);
const CHECKING = CHECKING_CLIENTS.map(({ client }) => client);
const MADE_ANEW = OTHER_CLIENTS.filter(({ madeAnew }) => madeAnew).map(({ client }) => client);
/** The clients that make a request after the cable is back. */
const ASKING = OTHER_CLIENTS.filter(({ silentFor }) => !silentFor).map(({ client }) => client);

type Program = Awaited<ReturnType<typeof ClientProcess.start>>;

/** `folder`: for temporary files of the clients, which do not remove them. */
function start(
  network: Network,
  folder: string,
  clients: string[],
  isAlone = false,
): Promise<Program> {
  return ClientProcess.start(network, clients, {
    mode: "alone",
    budgetMs: BUDGET_MS,
    madeAnew: MADE_ANEW,
    node: [...WEB_SOCKET, ...(isAlone ? [] : ["--import", AUTO])],
    env: { TMPDIR: folder, ...(isAlone ? {} : AUTO_ENV) },
  });
}

/** Returns when a client was told of a loss, by its request or its connection; NaN for never. */
function lostAfter(program: Program, at: number, client: string): number {
  const lost = program.said.find(
    (one) =>
      one.client === client && one.at > at && (one.event === "lost" || one.event === "failed"),
  );
  return (lost?.at ?? Number.NaN) - at;
}

function lossesSince(program: Program, at: number): string[] {
  return program.said
    .filter((one) => one.at > at && (one.event === "lost" || one.event === "failed"))
    .map(({ client, event }) => `${client} ${event}`);
}

function deathsOf({ process }: Program): string[] {
  return process.errors.filter((line) => line.includes('"event":"dead"'));
}

/** Makes requests until each of these clients has an answer that came after `at`. */
async function untilAllWork(program: Program, at: number): Promise<void> {
  const works = (client: string): boolean =>
    program.said.some((one) => one.event === "answered" && one.client === client && one.at > at);
  for (const until = monotonicMs() + WORKS_WITHIN_MS; monotonicMs() < until; await sleep(500)) {
    if (ASKING.every(works)) return;
    await program.process.write("request");
  }
}

/** All that happened, with the instants. */
interface Record {
  readonly idle: Program;
  readonly busy: Program;
  readonly alone: Program;
  readonly checking: Program;
  harmOfStall: string[];
  harmOfStop: string[];
  deathsOfStop: string[];
  stoppedAt: number;
  pulledAt: number;
  /** What the unwatched twin had noticed when the watched ones had noticed all. */
  noticedAlone: string[];
  plugged: number;
  pulledAgainAt: number;
}

async function record(
  network: Network,
  folder: string,
  servers: readonly LabProcess[],
): Promise<Record> {
  const idle = await start(network, folder, NAMES);
  const busy = await start(network, folder, NAMES);
  const alone = await start(network, folder, NAMES, true);
  const checking = await start(network, folder, CHECKING);
  const scene: Record = {
    idle,
    busy,
    alone,
    checking,
    harmOfStall: [],
    harmOfStop: [],
    deathsOfStop: [],
    stoppedAt: 0,
    pulledAt: 0,
    noticedAlone: [],
    plugged: 0,
    pulledAgainAt: 0,
  };

  const startedAt = monotonicMs();
  await busy.process.write("request");
  await busy.process.write(`block timer ${3 * BUDGET_MS}`);
  await busy.hears("unblocked", 0, 4 * BUDGET_MS);
  await sleep(3000);
  scene.harmOfStall = [idle, busy].flatMap((program) => lossesSince(program, startedAt));

  const pids = await stopAll(network, servers);
  scene.stoppedAt = monotonicMs();
  await sleep(2 * BUDGET_MS);
  await signal(network, "CONT", pids);
  await sleep(1000);
  scene.harmOfStop = [idle, busy].flatMap((program) => lossesSince(program, scene.stoppedAt));
  scene.deathsOfStop = [idle, busy, checking].flatMap(deathsOf);
  await checking.process.signal("SIGKILL");

  await untilAllWork(busy, monotonicMs());
  await sleep(4000);
  scene.pulledAt = monotonicMs();
  await network.pullCable();
  await busy.process.write("request");
  await sleep(OBSERVED_MS);
  scene.noticedAlone = lossesSince(alone, scene.pulledAt);

  await network.plugCable();
  scene.plugged = monotonicMs();
  await Promise.all([idle, busy, alone].map((program) => untilAllWork(program, scene.plugged)));
  await sleep(4000);
  scene.pulledAgainAt = monotonicMs();
  await network.pullCable();
  await sleep(OBSERVED_MS);
  return scene;
}

const needs = Object.values(OTHER_SERVERS).map((server) => server.needs);
await describeWith(
  ["root", "namespaces", "other clients", ...needs],
  "a client without an adapter, under halfopen/auto",
  () => {
    const folder = new Folder();
    let world: World;
    let seen: Record;
    beforeAll(async () => {
      world = await World.open();
      const network = await world.network();
      const servers = await startServers(network, folder.path, OTHER_SERVERS);
      seen = await record(network, folder.path, servers);
    }, 240_000);
    afterAll(async () => {
      await world.close();
      folder[Symbol.dispose]();
    });

    it("keeps every connection through a stall of its own process", () => {
      expect(seen.harmOfStall).toEqual([]);
    });

    it("keeps every connection to a server whose process stands still", () => {
      expect(seen.harmOfStop).toEqual([]);
      expect(seen.deathsOfStop).toEqual([]);
    });

    it("keeps a connection whose own check is answered", () => {
      const lost = lossesSince(seen.checking, 0).length;
      expect(lost).toBe(lossesSince(seen.checking, seen.stoppedAt).length);
    });

    it("notices nothing of a pulled cable without halfopen meanwhile", () => {
      expect(seen.noticedAlone).toEqual([]);
    });

    it.each(CHECKING_CLIENTS)(
      "$client finds a server that hangs by its own check",
      ({ client, withinMs }) => {
        expect(lostAfter(seen.checking, seen.stoppedAt, client)).toBeLessThanOrEqual(
          withinMs + CHECK_SLACK_MS,
        );
      },
    );

    it.each(OTHER_CLIENTS)("$client loses a dead host within the budget, idle", ({ client }) => {
      expect(lostAfter(seen.idle, seen.pulledAt, client)).toBeLessThanOrEqual(
        BUDGET_MS + graceMs(),
      );
    });

    it.each(OTHER_CLIENTS.filter(({ error }) => error !== undefined))(
      "$client fails a request in flight within the budget, with $error",
      ({ client, error }) => {
        expect(lostAfter(seen.busy, seen.pulledAt, client)).toBeLessThanOrEqual(
          BUDGET_MS + graceMs(),
        );
        const failed = seen.busy.said.find(
          (one) => one.event === "failed" && one.client === client && one.at > seen.pulledAt,
        );
        expect(failed?.name).toBe(error);
      },
    );

    it.each(ASKING)(
      "%s works again once the cable is back, as it does without halfopen",
      (client) => {
        for (const program of [seen.idle, seen.busy, seen.alone])
          expect(
            program.said.some(
              (one) => one.event === "answered" && one.client === client && one.at > seen.plugged,
            ),
          ).toBe(true);
      },
    );

    it.each(ASKING)("%s is watched again after that", (client) => {
      expect(lostAfter(seen.idle, seen.pulledAgainAt, client)).toBeLessThanOrEqual(
        BUDGET_MS + graceMs(),
      );
    });
  },
);
