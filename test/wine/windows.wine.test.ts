import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Capabilities } from "../../src/index.ts";
import type { Network } from "../../src/lab/network.ts";
import { type LabProcess, World } from "../../src/lab/world.ts";
import { platformTable } from "../setup/platform-table.ts";
import { describeWith } from "../setup/requires.ts";
import { openWindows, type Windows } from "../setup/wine.ts";

const PORT = 7000;
/** As on Windows, where it is fixed; Wine leaves it to its host, whose default is 9. */
const COUNT = 10;
/** The host's timer wheel is late by up to 1/8 of a delay (kernel.md): 1.5 s of the 12 s and more that are waited here, and Wine's own. */
const LATE_MS = 1500;

interface Fact {
  readonly name?: string;
  readonly event: string;
  readonly at: number;
  readonly [key: string]: unknown;
}

function factsOf(process: LabProcess): Fact[] {
  const facts: Fact[] = [];
  process.onLine((line) => line.startsWith("{") && facts.push({ ...JSON.parse(line), at: performance.now() }));
  return facts;
}

async function until<Value>(what: string, look: () => Value | undefined | false, withinMs: number): Promise<Value> {
  for (const end = performance.now() + withinMs; performance.now() < end; await sleep(20)) {
    const value = look();
    if (value !== undefined && value !== false) return value;
  }
  throw new Error(`not within ${withinMs} ms: ${what}`);
}

await describeWith(["root", "namespaces", "wine", "tcpdump", "node for windows"], "Windows (Node for Windows under Wine)", () => {
  let windows: Windows;
  let world: World;
  let network: Network;

  beforeAll(async () => {
    windows = await openWindows();
    world = await World.open();
    network = await world.network();
  }, 120_000);

  afterAll(async () => {
    await world?.close();
    await windows?.remove();
  });

  it("does what the platform table says of it", { timeout: 60_000 }, async () => {
    const program = await network.spawn("left", windows.conformance(), { env: { ...windows.env } });
    const facts = factsOf(program);
    const report = await until("the conformance program", () => facts[0], 50_000);
    for (const [name, row] of Object.entries(platformTable("docs/platforms.md"))) {
      const result = (report.results as Record<string, string>)[name];
      expect([name, row["Windows 10, 11"]]).toEqual([
        name,
        result === "works" ? "run in CI (Wine)" : expect.stringMatching(/^(no|codec tests only)$/),
      ]);
      expect([name, result]).not.toEqual([name, "broken"]);
    }
  });

  it("finds the SOCKET of each connection, IPv4 and IPv6, among many and reused ones", { timeout: 60_000 }, async () => {
    const program = await network.spawn("left", windows.command("handles.mjs"), { env: { ...windows.env } });
    const facts = factsOf(program);
    const closed = await until("handles.mjs", () => facts.find(({ event }) => event === "closed"), 50_000).catch((error: Error) => {
      throw new Error(`${error.message}; it said: ${program.errors.join("\n")}`);
    });
    const set = facts.find(({ event }) => event === "set") as Fact & { chosen: [number, number][]; others: [number, number][] };
    const wanted = { enabled: true, idleMs: 77_000, intervalMs: 5000, count: COUNT };
    for (const applied of set.applied as unknown[]) expect(applied).toEqual(wanted);
    expect(set.asked).toEqual(wanted);
    // The host's kernel says whose keepalive runs: theirs, and nobody else's.
    const lines = (await network.run("left", ["ss", "-tnoH", "state", "established"])).split("\n");
    const timerOf = ([local, remote]: [number, number]): boolean =>
      lines.some((line) => line.includes(`:${local} `) && line.includes(`:${remote} `) && line.includes("timer:(keepalive,1min"));
    // The last socket was closed meanwhile; its two ends are gone.
    expect(set.chosen.filter((ends) => !timerOf(ends)).length).toBeLessThanOrEqual(2);
    expect(set.chosen.length).toBeGreaterThan(25);
    expect(set.others.filter(timerOf)).toEqual([]);
    expect(closed.code).toBe("ERR_NOT_CONNECTED");
    const { keepalive, userTimeout, tcpInfo, nudge, backEnd } = set.capabilities as Capabilities;
    expect({ keepalive: keepalive.available, nudge: nudge.available, backEnd }).toEqual({
      keepalive: true,
      nudge: false,
      backEnd: "koffi",
    });
    // Wine 8 has neither; where it has them one day, the calls must work too.
    expect(set.tcpInfo).toBe(tcpInfo.available ? null : "ERR_NOT_SUPPORTED");
    expect(set.userTimeout).toBe(userTimeout.available ? null : "ERR_NOT_SUPPORTED");
    await program.signal("SIGKILL");
  });

  it("detects a pulled cable when predicted, by its keepalive, by watch, and by a heartbeat", { timeout: 100_000 }, async () => {
    await windows.stop();
    await network.run("left", ["sh", "-c", `echo ${COUNT} > /proc/sys/net/ipv4/tcp_keepalive_probes`]);
    const peer = `require("net").createServer((s) => s.on("error", () => {}).pipe(s)).listen(${PORT}, () => console.log("up"))`;
    const server = await network.spawn("right", [process.execPath, "-e", peer]);
    await new Promise<void>((resolve) => server.onLine(() => resolve()));
    const wire = await network.spawn("left", ["tcpdump", "-i", "eth0", "-n", "-tt", "-l", "tcp"]);
    const packets: string[] = [];
    wire.onLine((line) => packets.push(line));
    const orders = [
      { name: "5500/3000", keepalive: { idleMs: 5500, intervalMs: 3000, count: COUNT } },
      { name: "3000/1000", keepalive: { idleMs: 3000, intervalMs: 1000, count: COUNT } },
      { name: "watch", watch: { detectWithinMs: 15_000 } },
      { name: "heartbeat", watch: { detectWithinMs: 5000 }, beats: true },
      { name: "too soon", watch: { detectWithinMs: 5000, onDead: "report" } },
    ].map((order) => JSON.stringify(order));
    const command = windows.command("connections.mjs", network.address("right"), `${PORT}`, ...orders);
    const program = await network.spawn("left", command, { env: { ...windows.env } });
    const facts = factsOf(program);
    const of = (name: string, event: string): Fact | undefined => facts.find((fact) => fact.name === name && fact.event === event);
    await until("all connected", () => facts.filter(({ event }) => event === "connected").length === orders.length, 30_000);
    // Long enough for the shorter keepalive to have asked and been answered.
    await sleep(4500);
    const cutAt = performance.now();
    await network.pullCable();
    const after = (fact: Fact): number => fact.at - cutAt;

    const beat = await until("dead by heartbeat", () => of("heartbeat", "dead"), 8000);
    expect(after(beat)).toBeLessThan(5000);
    expect(beat.diagnosis).toMatchObject({ state: "dead" });

    // Every keepalive found it the idle time and ten intervals after it last heard the peer, which was before the cut.
    for (const [name, idleMs, intervalMs] of [
      ["3000/1000", 3000, 1000],
      ["5500/3000", 5500, 3000],
    ] as const) {
      const error = await until(`${name} fails`, () => of(name, "error"), idleMs + COUNT * intervalMs + 5000);
      expect(error).toMatchObject({ code: "ETIMEDOUT", syscall: "read" });
      expect(after(error)).toBeGreaterThan(COUNT * intervalMs - 1000);
      expect(after(error)).toBeLessThan(idleMs + COUNT * intervalMs + LATE_MS);
      const sent = await until("a later send", () => of(name, "sent"), 2000);
      expect(sent.code).not.toBeNull();
      expect(probesOf(packets, of(name, "connected")?.localPort as number)).toMatchObject({ spacingS: intervalMs / 1000 });
    }
    const dead = await until("dead by watch", () => of("watch", "dead"), 1000);
    expect(after(dead)).toBeLessThan(15_000);
    expect(dead.diagnosis).toMatchObject({ state: "dead", cause: "path-silent" });
    expect(of("watch", "watched")?.applied).toMatchObject({ level: "keepalive", detectWithinMs: { idle: 15_000, inFlight: null } });
    // A budget that this system cannot keep is told, with the one it keeps.
    expect(of("too soon", "watched")?.applied).toMatchObject({ detectWithinMs: { idle: 11_000 } });
    expect(after(of("too soon", "dead") as Fact)).toBeLessThan(11_000 + LATE_MS);
    await program.signal("SIGKILL");
  });
});

/** The seconds between unanswered probes of a connection, at the median. */
function probesOf(packets: readonly string[], port: number): { probes: number; spacingS: number } {
  const times = packets.filter((line) => line.includes(`.${port} > `) && line.includes("length 0")).map(Number.parseFloat);
  const gaps = times.slice(1).map((time, i) => time - (times[i] ?? 0));
  const median = gaps.sort((a, b) => a - b)[gaps.length >> 1] ?? Number.NaN;
  return { probes: times.length, spacingS: Math.round(median) };
}
