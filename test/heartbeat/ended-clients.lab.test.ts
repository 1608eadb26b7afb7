import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { World } from "../../src/lab/world.ts";
import { describeWith } from "../setup/requires.ts";
import { CLIENTS, TalkingProcess } from "./client-process.mjs";
import { Folder, SERVERS, signal, startServers, stopAll } from "./servers.mjs";

const BUDGET_MS = 2500;
const PROGRAM = new URL("ended-program.mjs", import.meta.url).pathname;

interface Said {
  readonly event: string;
  readonly client: string;
  readonly end: string;
  readonly bytes?: number;
  readonly cause?: string;
}

/** How a program ends each client; each name is one of `clients.mjs`. */
const ENDS: Record<string, readonly string[]> = {
  ioredis: ["quit", "disconnect"],
  "ioredis-subscriber": ["quit"],
  "node-redis": ["close", "quit"],
  pg: ["end"],
  "pg-listen": ["end"],
  mysql2: ["end"],
  mqtt: ["end", "end behind a message"],
  nats: ["close", "drain"],
  amqplib: ["close"],
  ws: ["close"],
  "ws-server": ["close"],
  frames: ["end"],
  http2: ["close", "destroy"],
  grpc: ["close"],
  "grpc-core": ["close"],
  "engine.io": ["close"],
  "engine.io-server": ["close"],
  "socket.io": ["disconnect"],
};
/** It waits in BLPOP: it is not asked anyway. */
const NEVER_ASKED = "ioredis-blocked";

it("every client that heartbeats ask is ended", () => {
  expect([...Object.keys(ENDS), NEVER_ASKED].sort()).toEqual(
    CLIENTS.map(({ client }) => client).sort(),
  );
});

const needs = Object.values(SERVERS).map(({ needs }) => needs);
await describeWith(["root", "namespaces", ...needs], "a client that its program has ended", () => {
  it("is asked no more, and nobody is hung while its server takes long to consent", {
    timeout: 120_000,
  }, async () => {
    using folder = new Folder();
    await using world = await World.open();
    const network = await world.network();
    const servers = await startServers(network, folder.path);
    const ends = Object.entries(ENDS).flatMap(([client, names]) =>
      names.map((name) => `${client}:${name}`),
    );
    const argv = [
      process.execPath,
      PROGRAM,
      ends.join(","),
      network.address("right"),
      `${BUDGET_MS}`,
    ];
    const program = new TalkingProcess(await network.spawn("left", argv, { unprivileged: true }));
    const { at } = await program.hears("ready", 0, 40_000);

    // The servers' hosts live, their processes answer nothing from here on
    const pids = await stopAll(network, servers);
    await program.process.write("end");
    await sleep(2 * BUDGET_MS);
    await program.process.write("count");
    await program.hears("wrote", at, 5000, ends.at(-1)?.split(":")[0]);

    const said = (...events: string[]): Said[] =>
      (program.said as unknown as Said[]).filter(({ event }) => events.includes(event));
    // A busy machine may answer late, so that a host is suspected
    const blamed = (): Said[] =>
      said("suspect", "dead").filter(
        ({ event, cause }) => event === "dead" || cause === "peer-hung",
      );
    expect(blamed()).toEqual([]);
    const written = said("wrote").map(({ client, end, bytes }) => [`${client}:${end}`, bytes]);
    expect(written, "bytes written after the end").toEqual(ends.map((one) => [one, 0]));

    // RabbitMQ answers the client's end with a reset
    await signal(network, "CONT", pids);
    const close = await program.hears("close", at, 20_000, "amqplib");
    expect(close.cause).toBe("closed-locally");
    expect(blamed()).toEqual([]);
    expect(program.process.errors).toEqual([]);
  });
});
