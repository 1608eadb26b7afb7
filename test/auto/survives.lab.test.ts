import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import type { LabProcess } from "../../src/lab/lab-machine.ts";
import type { Network } from "../../src/lab/network.ts";
import { monotonicMs } from "../../src/lab/run-fault.ts";
import { World } from "../../src/lab/world.ts";
import { Folder, listening, SERVERS } from "../heartbeat/servers.mjs";
import { graceMs } from "../setup/grace.ts";
import { describeWith } from "../setup/requires.ts";

const AUTO = new URL("../../dist/auto/index.js", import.meta.url).pathname;
const SERVICE = new URL("service.mjs", import.meta.url).pathname;
const NEIGHBOUR = new URL("neighbour.mjs", import.meta.url).pathname;
const BUDGET_MS = 5000;
const USED = ["redis", "postgres", "http"];

interface Said {
  readonly event: "answered" | "failed" | "caller-gone";
  readonly of: string;
  readonly at: number;
}

/** A service, the servers that it uses, a caller that uses it, and the cable between them. */
class Scene {
  readonly said: Said[] = [];
  exit: string | null = null;
  readonly #network: Network;
  readonly #neighbour: LabProcess;
  readonly service: LabProcess;
  #polls = 0;

  private constructor(network: Network, neighbour: LabProcess, service: LabProcess) {
    this.#network = network;
    this.#neighbour = neighbour;
    this.service = service;
    service.onLine((line) => this.said.push(JSON.parse(line)));
    service.onExit((code, signal) => {
      this.exit = `${signal ?? code}`;
    });
    neighbour.onLine(() => this.#polls++);
  }

  static async open(
    world: World,
    folder: string,
    options: readonly string[],
    env: Record<string, string>,
  ): Promise<Scene> {
    const network = await world.network();
    await SERVERS.redis.start(network, folder);
    await SERVERS.postgres.start(network, folder);
    const neighbour = await network.spawn("right", [
      process.execPath,
      NEIGHBOUR,
      network.address("left"),
    ]);
    for (const port of [SERVERS.redis.port, SERVERS.postgres.port, 8081])
      await listening(network, port);
    const service = await network.spawn(
      "left",
      [process.execPath, ...options, SERVICE, network.address("right")],
      {
        unprivileged: true,
        env,
      },
    );
    return new Scene(network, neighbour, service);
  }

  /** Resolves once every server has answered anew and a long poll waits. */
  async works(withinMs: number): Promise<void> {
    const since = monotonicMs();
    await this.#until(
      () =>
        USED.every((of) =>
          this.said.some((it) => it.event === "answered" && it.of === of && it.at > since),
        ),
      withinMs,
    );
    const polls = this.#polls;
    await this.#neighbour.write("poll");
    await this.#until(() => this.#polls > polls, withinMs);
  }

  /** Pulls the cable after 4 s, and returns the instant. */
  async pull(): Promise<number> {
    await sleep(4000);
    const at = monotonicMs();
    await this.#network.pullCable();
    return at;
  }

  async plug(): Promise<void> {
    await this.#network.plugCable();
  }

  /** Returns the time from `at` to the first loss of each connection, in ms; NaN for none. */
  lostAfter(at: number): Record<string, number> {
    const lost = this.said.filter((it) => it.event !== "answered" && it.at > at);
    return Object.fromEntries(
      [...USED, "caller"].map((of) => [
        of,
        (lost.find((it) => it.of === of)?.at ?? Number.NaN) - at,
      ]),
    );
  }

  async #until(isSo: () => boolean, withinMs: number): Promise<void> {
    for (const until = monotonicMs() + withinMs; !isSo(); await sleep(20)) {
      if (monotonicMs() > until)
        throw new Error(
          `not within ${withinMs} ms; it said ${JSON.stringify(this.said.slice(-8))} ${this.service.errors.join(" ")}`,
        );
    }
  }
}

await describeWith(
  ["root", "namespaces", "redis-server", SERVERS.postgres.needs],
  "an unmodified service whose cable is pulled",
  () => {
    it.concurrent("loses each connection within the budget under halfopen/auto, twice, and works again each time", {
      timeout: 90_000,
    }, async () => {
      using folder = new Folder();
      await using world = await World.open();
      const env = { HALFOPEN_DETECT_WITHIN: `${BUDGET_MS}ms`, HALFOPEN_LOG: "json" };
      const scene = await Scene.open(world, folder.path, ["--import", AUTO], env);
      const remotes: string[][] = [];
      for (let round = 0; round < 2; round++) {
        await scene.works(15_000);
        const reportsBefore = scene.service.errors.length;
        const pulledAt = await scene.pull();
        await sleep(BUDGET_MS + 1500);

        const lost = scene.lostAfter(pulledAt);
        console.log(`round ${round}: lost after ${JSON.stringify(lost)} ms`);
        for (const ms of Object.values(lost)) expect(ms).toBeLessThanOrEqual(BUDGET_MS + graceMs());
        const reports = scene.service.errors.slice(reportsBefore).map((text) => JSON.parse(text));
        expect(reports.map(({ event }) => event)).toEqual(reports.map(() => "dead"));
        remotes.push(reports.map(({ diagnosis }) => diagnosis.remote));

        await scene.plug();
      }
      await scene.works(15_000);
      expect(scene.exit).toBe(null);
      // Each of the four connections was declared dead once a round, and no other.
      expect(remotes.map((round) => round.length)).toEqual([4, 4]);
    });

    it.concurrent("keeps waiting for every one of them without halfopen", {
      timeout: 60_000,
    }, async () => {
      using folder = new Folder();
      await using world = await World.open();
      const scene = await Scene.open(world, folder.path, [], {});
      await scene.works(15_000);
      const pulledAt = await scene.pull();
      await sleep(2 * BUDGET_MS);
      expect(scene.lostAfter(pulledAt)).toEqual({
        redis: Number.NaN,
        postgres: Number.NaN,
        http: Number.NaN,
        caller: Number.NaN,
      });
      expect(scene.exit).toBe(null);
    });
  },
);
