import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { DIST, World } from "../../src/lab/world.ts";
import type { GuardEvent } from "../../src/machine/guard-event.ts";
import { describeWith } from "../setup/requires.ts";
import { lengthName, longOrShort } from "../setup/run-length.ts";

const HALFOPEN = [process.execPath, fileURLToPath(new URL("../cli/main.js", DIST))];
const CONNECTIONS = longOrShort(1000, 200);
const WATCHED_MS = longOrShort(600_000, 30_000);
const SETTLE_MS = 15_000;

/** Port 7000 reads all; port 7001 accepts and never reads, so that its window closes. */
const SERVER = `
const net = require("net");
net.createServer((s) => s.on("error", () => {}).resume()).listen(7000, () => {
  net.createServer({ pauseOnConnect: true }, (s) => s.on("error", () => {})).listen(7001, () => console.log("ready"));
});`;
/** Every third writes, every twentieth to the one that does not read; the others are idle. */
const CLIENT = `
const net = require("net");
const [address, count] = process.argv.slice(1);
let open = 0;
for (let i = 0; i < Number(count); i++) {
  const isBlocked = i % 20 === 0;
  const socket = net.connect(isBlocked ? 7001 : 7000, address, () => {
    if (++open === Number(count)) console.log("open");
    if (isBlocked) socket.write(Buffer.alloc(16_000_000));
    else if (i % 3 === 0) setInterval(() => socket.write("x".repeat(100)), 1000);
  });
  socket.on("error", (error) => console.log("lost " + i + " " + error.code));
}`;

await describeWith(["namespaces"], `connections that live (${lengthName})`, () => {
  it(`are left alone by guard --apply for ${WATCHED_MS / 1000} s while every tenth round trip is lost, closed windows among them`, {
    timeout: WATCHED_MS + 60_000,
  }, async () => {
    await using world = await World.open();
    const network = await world.network({ variant: "wire", wire: { delayMs: 1, seed: 7 } });
    const server = await network.spawn("right", [process.execPath, "-e", SERVER]);
    await new Promise<void>((resolve) => server.onLine((line) => line === "ready" && resolve()));
    const said: string[] = [];
    const client = await network.spawn("left", [process.execPath, "-e", CLIENT, network.address("right"), String(CONNECTIONS)]);
    client.onLine((line) => said.push(line));
    for (let waited = 0; !said.includes("open") && waited < SETTLE_MS; waited += 100) await sleep(100);
    expect(said).toEqual(["open"]);
    // 1 - 0.95 * 0.95: every tenth round trip.
    await network.setWire({ delayMs: 1, lossOut: 0.0513, lossIn: 0.0513 });
    const guard = await network.spawn("left", [...HALFOPEN, "guard", "--detect-within", "5s", "--apply", "--json"]);
    const events: GuardEvent[] = [];
    guard.onLine((line) => events.push(JSON.parse(line) as GuardEvent));
    await sleep(WATCHED_MS);
    const set = events.filter(({ action, connection }) => action === "set" && connection.state !== "LISTEN");
    expect(set.length).toBeGreaterThanOrEqual(CONNECTIONS);
    expect(events.filter(({ action }) => action !== "set")).toEqual([]);
    expect(events.filter(({ after }) => after !== null && after.userTimeoutMs > 0 && after.userTimeoutMs < 60_000)).toEqual([]);
    expect(said).toEqual(["open"]);
    expect(guard.errors).toEqual([]);
  });
});
