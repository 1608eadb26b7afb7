import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Capabilities } from "../../src/index.ts";
import type { LabProcess } from "../../src/lab/lab-machine.ts";
import type { Network } from "../../src/lab/network.ts";
import { PEER_PORTS, TLS_PORT_OFFSET } from "../../src/lab/peer-ports.ts";
import { program, said } from "../../src/lab/run-fault.ts";
import { World } from "../../src/lab/world.ts";
import { platformTable } from "../setup/platform-table.ts";
import { describeWith } from "../setup/requires.ts";
import { openWindows, type Windows } from "../setup/wine.ts";

const SERVER_PORT = 7300;
/** The fixed count of Windows. Wine leaves the count to its host, whose default is 9. */
const COUNT = 10;
/**
 * Capabilities of Windows that Wine lacks. Their option numbers and structs are tested in
 * test/kernel/port/platform.test.ts.
 */
const OF_THE_TABLE = ["userTimeout", "tcpInfo"];
/**
 * The host's timer wheel is late by up to 1/8 of a delay
 * (docs/internals/kernel.md#timers-are-late): 1.5 s of the 12 s and more that this test waits.
 * Wine's own lateness comes on top.
 */
const LATE_MS = 1500;

interface Fact {
  readonly name?: string;
  readonly event: string;
  readonly at: number;
  readonly [key: string]: unknown;
}

function factsOf(process: LabProcess): Fact[] {
  const facts: Fact[] = [];
  process.onLine(
    (line) => line.startsWith("{") && facts.push({ ...JSON.parse(line), at: performance.now() }),
  );
  return facts;
}

async function until<Value>(
  what: string,
  look: () => Value | undefined | false,
  withinMs: number,
): Promise<Value> {
  for (const end = performance.now() + withinMs; performance.now() < end; await sleep(20)) {
    const value = look();
    if (value !== undefined && value !== false) return value;
  }
  throw new Error(`not within ${withinMs} ms: ${what}`);
}

await describeWith(
  ["root", "namespaces", "wine", "tcpdump", "node for windows"],
  "Windows (Node for Windows under Wine)",
  () => {
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

    it("does what the platform table promises", { timeout: 120_000 }, async () => {
      const subject = await network.spawn("left", windows.conformance(), {
        env: { ...windows.env },
      });
      const facts = factsOf(subject);
      const report = await until("the conformance program", () => facts[0], 50_000);
      for (const [name, row] of Object.entries(platformTable("docs/platforms.md"))) {
        const result = (report.results as Record<string, string>)[name];
        const otherwise = OF_THE_TABLE.includes(name) ? "codec tests only" : "no";
        expect(row["Windows 10, 11"], name).toBe(
          result === "works" ? "run in CI (Wine)" : otherwise,
        );
        expect(result, name).not.toBe("broken");
      }
    });

    it("finds the SOCKET of each connection, IPv4 and IPv6, among many and among reused values", {
      timeout: 120_000,
    }, async () => {
      const subject = await network.spawn("left", windows.command("handles.mjs"), {
        env: { ...windows.env },
      });
      const facts = factsOf(subject);
      const closed = await until(
        "handles.mjs",
        () => facts.find(({ event }) => event === "closed"),
        50_000,
      ).catch((error: Error) => {
        throw new Error(`${error.message}; it said: ${subject.errors.join("\n")}`);
      });
      const set = facts.find(({ event }) => event === "set") as Fact & {
        chosen: [number, number][];
        others: [number, number][];
      };
      const wanted = { enabled: true, idleMs: 77_000, intervalMs: 5000, count: COUNT };
      for (const applied of set.applied as unknown[]) expect(applied).toEqual(wanted);
      expect(set.asked).toEqual(wanted);
      // The host's kernel shows which keepalives run: those of the chosen sockets, and no others.
      const lines = (await network.run("left", ["ss", "-tnoH", "state", "established"])).split(
        "\n",
      );
      const timerOf = ([local, remote]: [number, number]): boolean =>
        lines.some(
          (line) =>
            line.includes(`:${local} `) &&
            line.includes(`:${remote} `) &&
            line.includes("timer:(keepalive,1min"),
        );
      // The last socket was closed meanwhile, so its two ends are gone.
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
      // Wine 8 has neither. Once a later Wine has them, the calls must work too.
      expect(set.tcpInfo).toBe(tcpInfo.available ? null : "ERR_NOT_SUPPORTED");
      expect(set.userTimeout).toBe(userTimeout.available ? null : "ERR_NOT_SUPPORTED");
      await subject.signal("SIGKILL");
    });

    it("detects a pulled cable when predicted: by its keepalive, watch, watchServer and a heartbeat, IPv4 and IPv6, plain and TLS", {
      timeout: 100_000,
    }, async () => {
      await windows.stop();
      await network.run("left", [
        "sh",
        "-c",
        `echo ${COUNT} > /proc/sys/net/ipv4/tcp_keepalive_probes`,
      ]);
      await said(await network.spawn("right", [process.execPath, program("peer.js")]), "ready");
      const wire = await network.spawn("left", ["tcpdump", "-i", "eth0", "-n", "-tt", "-l", "tcp"]);
      const packets: string[] = [];
      wire.onLine((line) => packets.push(line));
      const to = { host: network.address("right"), port: PEER_PORTS.sink };
      const to6 = { ...to, host: network.address("right", 6) };
      const overTls = (at: typeof to): typeof to => ({ ...at, port: at.port + TLS_PORT_OFFSET });
      const watched = { detectWithinMs: 15_000 };
      const clients = [
        { name: "5500/3000", to, keepalive: { idleMs: 5500, intervalMs: 3000, count: COUNT } },
        { name: "3000/1000", to, keepalive: { idleMs: 3000, intervalMs: 1000, count: COUNT } },
        { name: "watch", to, watch: watched },
        { name: "watch, IPv6", to: to6, watch: watched },
        { name: "watch, TLS", to: overTls(to), tls: true, watch: watched },
        { name: "watch, TLS, IPv6", to: overTls(to6), tls: true, watch: watched },
        { name: "heartbeat", to, watch: { detectWithinMs: 5000 }, beats: true },
        {
          name: "heartbeat, TLS, IPv6",
          to: overTls(to6),
          tls: true,
          watch: { detectWithinMs: 5000 },
          beats: true,
        },
        { name: "too soon", to, watch: { detectWithinMs: 5000, onDead: "destroy" } },
      ];
      const servers = [
        { name: "server", serve: { host: "0.0.0.0", port: SERVER_PORT }, watch: watched },
        {
          name: "server, TLS, IPv6",
          serve: { host: "::", port: SERVER_PORT + 1, ipv6Only: true },
          tls: true,
          watch: watched,
        },
      ];
      const orders = [...clients, ...servers].map((order) => JSON.stringify(order));
      const subject = await network.spawn("left", windows.command("connections.mjs", ...orders), {
        env: { ...windows.env },
      });
      const facts = factsOf(subject);
      const of = (name: string, event: string): Fact | undefined =>
        facts.find((fact) => fact.name === name && fact.event === event);
      const told = (event: string): number => facts.filter((fact) => fact.event === event).length;
      await until("the servers listen", () => told("listening") === servers.length, 30_000);
      const plain = `require("net").connect(${SERVER_PORT}, "${network.address("left")}")`;
      const tls = `require("tls").connect({ port: ${SERVER_PORT + 1}, host: "${network.address("left", 6)}", rejectUnauthorized: false })`;
      for (const client of [plain, tls])
        await network.spawn("right", [
          process.execPath,
          "-e",
          `${client}.on("error", () => {}).resume()`,
        ]);
      await until("all connected", () => told("connected") === orders.length, 30_000);
      // Long enough for the shorter keepalive to have sent a probe that was answered.
      await sleep(4500);
      const cutAt = performance.now();
      await network.pullCable();
      const after = (fact: Fact): number => fact.at - cutAt;

      for (const { name } of clients.filter(({ beats }) => beats)) {
        const beat = await until(`dead by ${name}`, () => of(name, "dead"), 8000);
        expect(after(beat), name).toBeLessThan(5000);
        expect(beat.diagnosis).toMatchObject({ state: "dead" });
      }

      // Every keepalive ends its connection the idle time and ten intervals after it last heard the
      // peer, which was before the cut.
      for (const [name, idleMs, intervalMs] of [
        ["3000/1000", 3000, 1000],
        ["5500/3000", 5500, 3000],
      ] as const) {
        const error = await until(
          `${name} fails`,
          () => of(name, "error"),
          idleMs + COUNT * intervalMs + 5000,
        );
        expect(error).toMatchObject({ code: "ETIMEDOUT", syscall: "read" });
        expect(after(error)).toBeGreaterThan(COUNT * intervalMs - 1000);
        expect(after(error)).toBeLessThan(idleMs + COUNT * intervalMs + LATE_MS);
        const sent = await until("a later send", () => of(name, "sent"), 2000);
        expect(sent.code).not.toBeNull();
        // Wine rounds up to whole seconds for its host.
        const seen = { idleS: Math.ceil(idleMs / 1000), spacingS: intervalMs / 1000 };
        expect(probesOf(packets, of(name, "connected")?.localPort as number)).toEqual(seen);
      }
      for (const name of [...clients, ...servers]
        .filter((it) => it.watch === watched)
        .map((it) => it.name)) {
        const dead = await until(`${name} is dead`, () => of(name, "dead"), 1000);
        expect(after(dead), name).toBeLessThan(watched.detectWithinMs);
        expect(dead.diagnosis).toMatchObject({ state: "dead", cause: "path-silent" });
      }
      expect(of("watch", "watched")?.applied).toMatchObject({
        level: "keepalive",
        detectWithinMs: { idle: 15_000, inFlight: null },
      });
      // A budget that this system cannot keep is reported with the one that it keeps.
      expect(of("too soon", "watched")?.applied).toMatchObject({
        detectWithinMs: { idle: 11_000 },
      });
      expect(after(of("too soon", "dead") as Fact)).toBeLessThan(11_000 + LATE_MS);
      await subject.signal("SIGKILL");
    });

    it("shows and changes the system-wide values in the registry", {
      timeout: 120_000,
    }, async () => {
      const { settings } = JSON.parse(await windows.run(windows.halfopen("system", "--json"))) as {
        settings: object;
      };
      expect(settings).toEqual({
        idleMs: 7_200_000,
        intervalMs: 1000,
        count: COUNT,
        dataRetries: 5,
      });
      const change = ["--idle", "60s", "--interval", "5s", "--retries", "8"];
      const changed = JSON.parse(
        await windows.run(windows.halfopen("system", "set", ...change, "--yes", "--json")),
      );
      expect(changed).toMatchObject({
        before: settings,
        after: { idleMs: 60_000, intervalMs: 5000, count: COUNT, dataRetries: 8 },
      });
      const registry = await windows.run([
        "wine",
        "reg",
        "query",
        "HKLM\\SYSTEM\\CurrentControlSet\\Services\\Tcpip\\Parameters",
      ]);
      for (const [name, value] of Object.entries({
        KeepAliveTime: 60_000,
        KeepAliveInterval: 5000,
        TcpMaxDataRetransmissions: 8,
      }))
        expect(registry).toMatch(new RegExp(`${name} +REG_DWORD +0x${value.toString(16)}\\s`));
      await expect(
        windows.run(windows.halfopen("system", "set", "--count", "5", "--yes")),
      ).rejects.toMatchObject({ code: 3 });
    });

    it("refuses the commands of Linux with exit code 3, and names one that works here", {
      timeout: 120_000,
    }, async () => {
      const within = ["--detect-within", "5s"];
      for (const args of [
        ["audit"],
        ["explain", ":1"],
        ["guard", ...within],
        ["exec", ...within, "--", "node"],
      ]) {
        const refused = await windows
          .run(windows.halfopen(...args))
          .catch((error: unknown) => error);
        expect(refused, args.join(" ")).toMatchObject({
          code: 3,
          stderr: expect.stringMatching(/Linux.+win32.+halfopen system/s),
        });
      }
    });
  },
);

/**
 * Returns the seconds of silence before the first probe of a connection, and the median between
 * unanswered probes.
 */
function probesOf(packets: readonly string[], port: number): { idleS: number; spacingS: number } {
  const times = packets
    .filter((line) => line.includes(`.${port} > `) && line.includes("length 0"))
    .map(Number.parseFloat);
  const gaps = times.slice(1).map((time, i) => time - (times[i] ?? 0));
  // The handshake's two segments come first.
  const [, idleS = Number.NaN] = gaps;
  const median = gaps.sort((a, b) => a - b)[gaps.length >> 1] ?? Number.NaN;
  return { idleS: Math.round(idleS), spacingS: Math.round(median) };
}
