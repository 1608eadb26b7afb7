import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import type { LabProcess } from "../src/lab/lab-machine.ts";
import { World } from "../src/lab/world.ts";
import { Folder, listening, SERVERS } from "./heartbeat/servers.mjs";
import { describeWith } from "./setup/requires.ts";

const EXAMPLES = new URL("../examples/", import.meta.url).pathname;
const BUDGET_MS = 5000;
/** Lateness of the timers of a loaded machine. */
const GRACE_MS = 500;
/** The first heartbeat leaves after 250 ms, and is answered. */
const FIRST_HEARTBEAT_MS = 1000;
const names = readdirSync(EXAMPLES).filter((name) => name.endsWith(".mjs"));

/** A running example, and the lines it wrote with their instants. */
class Example {
  readonly #lines: { readonly at: number; readonly line: string }[] = [];
  readonly process: LabProcess;

  readonly #name: string;

  constructor(name: string, process: LabProcess) {
    this.#name = name;
    this.process = process;
    process.onLine((line) => this.#lines.push({ at: performance.now(), line }));
  }

  /** Resolves with the time from `from` to the first line since then that matches `what`. */
  async says(what: RegExp, from: number, withinMs: number): Promise<number> {
    for (const end = performance.now() + withinMs; performance.now() < end; await sleep(20)) {
      const found = this.#lines.find(({ at, line }) => at >= from && what.test(line));
      if (found) return found.at - from;
    }
    const said = this.#lines.map(({ line }) => line).join("\n");
    throw new Error(
      `${this.#name}, not within ${withinMs} ms: ${what}; it said:\n${said}\n${this.process.errors.join("\n")}`,
    );
  }
}

describe("the examples", () => {
  it("are short, and their README links to each", () => {
    const readme = readFileSync(`${EXAMPLES}README.md`, "utf8");
    expect(names.length).toBeGreaterThan(6);
    for (const name of names) {
      const lines = readFileSync(EXAMPLES + name, "utf8").split("\n").length;
      expect(lines, name).toBeLessThan(60);
      expect(readme).toContain(`](${name})`);
    }
  });
});

const needs = ["root", "namespaces", SERVERS.redis.needs, SERVERS.postgres.needs];
await describeWith(needs, "the examples, in a network", () => {
  it("notice a stopped program and a pulled cable within the budget, and reconnect when the cable is plugged in", {
    timeout: 90_000,
  }, async () => {
    using redisFolder = new Folder();
    using postgresFolder = new Folder();
    await using world = await World.open();
    const network = await world.network();
    const start = async (
      side: "left" | "right",
      name: string,
      ...args: string[]
    ): Promise<Example> =>
      new Example(
        name,
        await network.spawn(side, [process.execPath, `${EXAMPLES}${name}.mjs`, ...args]),
      );
    const host = network.address("right");

    const servers = [
      await start("right", "server", "7000"),
      await start("right", "websocket-server", "8080"),
    ];
    const stoppable = await start("right", "server", "7001");
    await SERVERS.redis.start(network, redisFolder.path);
    await SERVERS.postgres.start(network, postgresFolder.path);
    for (const port of [7000, 7001, 8080, SERVERS.redis.port, SERVERS.postgres.port])
      await listening(network, port);
    const clients = {
      client: await start("left", "client", host, "7000"),
      "websocket-client": await start("left", "websocket-client", `ws://${host}:8080`),
      heartbeat: await start("left", "heartbeat", host, "7001"),
      "pg-pool": await start("left", "pg-pool", `postgres://postgres@${host}/postgres`),
      ioredis: await start("left", "ioredis", `redis://${host}`),
    };
    const all = Object.values(clients);
    expect(
      [...Object.keys(clients), "server", "websocket-server"].map((name) => `${name}.mjs`).sort(),
    ).toEqual(names.sort());
    await Promise.all(all.map((example) => example.says(/^connected/, 0, 15_000)));

    // A server that never answered a heartbeat may ignore them.
    await sleep(FIRST_HEARTBEAT_MS);
    // The machine of a stopped program still answers, so only the heartbeat can notice.
    const stoppedAt = performance.now();
    await stoppable.process.signal("SIGSTOP");
    const deadAfterMs = await clients.heartbeat.says(/^dead peer-hung/, stoppedAt, 8000);
    expect(deadAfterMs).toBeLessThan(BUDGET_MS + GRACE_MS);
    await stoppable.process.signal("SIGCONT");
    await clients.heartbeat.says(/^connected/, stoppedAt + deadAfterMs, 8000);

    const cutAt = performance.now();
    await network.pullCable();
    const noticed = await Promise.all(
      [...all, ...servers].map((example) =>
        example.says(/^(lost|dead|failed) .*(path-silent|local-link-down)/, cutAt, 8000),
      ),
    );
    expect(Math.max(...noticed)).toBeLessThan(BUDGET_MS + GRACE_MS);

    const pluggedAt = performance.now();
    await network.plugCable();
    await Promise.all(all.map((example) => example.says(/^connected/, pluggedAt, 20_000)));
  });
});
