import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import type { Network } from "../../src/lab/network.ts";
import { World } from "../../src/lab/world.ts";
import { describeWith } from "../setup/requires.ts";
import { CLIENTS, ClientProcess } from "./client-process.mjs";
import { Folder, SERVERS, startServers } from "./servers.mjs";

const BUDGET_MS = 2500;
const HEARTBEAT_EVERY_MS = 0.4 * BUDGET_MS;
/** Shorter than the clients' own keepalives. */
const COUNTED_MS = 10_000;
/** The frames of a protocol of one's own are numbered, and grow with their numbers. */
const NAMES = CLIENTS.map(({ client }) => client).filter((name) => name !== "frames");

/** Bytes of one heartbeat, by the client's name: the table "On the wire" of docs/heartbeat.md. */
const DOCUMENTED = new Map(
  readFileSync(new URL("../../docs/heartbeat.md", import.meta.url), "utf8")
    .split("## On the wire")[1]
    ?.split("\n## ")[0]
    ?.split("\n")
    .filter((line) => /^\| `/.test(line))
    .flatMap((line) => {
      const [, clients = "", , bytes] = line.split("|");
      return [...clients.matchAll(/`([^`]+)`/g)].map(([, name = ""]) => [name, Number(bytes)]);
    }),
);

/** Returns the payload bytes that each connection has sent, by its local port. */
async function bytesSent(network: Network): Promise<Map<number, number>> {
  const lines = (await network.run("left", ["ss", "-tinHO"])).split("\n");
  return new Map(
    lines.flatMap((line) => {
      const port = line.trim().split(/\s+/)[3]?.split(":").at(-1);
      return port ? [[Number(port), Number(/ bytes_sent:(\d+)/.exec(line)?.[1] ?? 0)]] : [];
    }),
  );
}

const needs = Object.values(SERVERS).map(({ needs }) => needs);
await describeWith(["root", "namespaces", ...needs], "a heartbeat of every client", () => {
  it("is as large on the wire as docs/heartbeat.md says, and is sent as often", {
    timeout: 120_000,
  }, async () => {
    using folder = new Folder();
    await using world = await World.open();
    const network = await world.network();
    await startServers(network, folder.path);
    const program = await ClientProcess.start(network, NAMES, { budgetMs: BUDGET_MS });
    await sleep(4000);
    await program.process.write("ports");
    for (const client of NAMES) await program.hears("ports", 0, 1000, client);

    const before = await bytesSent(network);
    await sleep(COUNTED_MS);
    const after = await bytesSent(network);
    const measured = NAMES.map((client) => {
      const said = program.said.find((one) => one.event === "ports" && one.client === client);
      const [port = 0] = (said as unknown as { ports: number[] }).ports;
      return { client, sent: (after.get(port) ?? 0) - (before.get(port) ?? 0) };
    });
    for (const { client, sent } of measured) {
      const bytes = DOCUMENTED.get(client) ?? Number.NaN;
      const heartbeats = bytes === 0 ? sent : sent / bytes;
      expect(Number.isInteger(heartbeats), `${client}: ${sent} bytes`).toBe(true);
      if (bytes === 0) expect(sent, client).toBe(0);
      else expect(heartbeats, client).toBeGreaterThan((0.8 * COUNTED_MS) / HEARTBEAT_EVERY_MS);
      expect(heartbeats, client).toBeLessThanOrEqual(COUNTED_MS / HEARTBEAT_EVERY_MS + 1);
    }
    expect(program.said.filter(({ event }) => event === "suspect" || event === "dead")).toEqual([]);
  });
});
