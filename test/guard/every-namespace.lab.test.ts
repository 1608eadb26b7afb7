import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import type { GuardEvent } from "../../src/guard/event.ts";
import { World } from "../../src/lab/world.ts";
import { HALFOPEN, type Running, runningOf, until } from "../cli/stage.ts";
import { describeWith } from "../setup/requires.ts";
import { lengthName, longOrShort } from "../setup/run-length.ts";

const CLIENTS = fileURLToPath(new URL("programs/namespace-clients.py", import.meta.url));
const NAMESPACES = 20;
/** Fewer than show a fault of the namespace's own network. */
const PEERS = 3;
const SOCKETS = longOrShort(5000, 1200);
const EACH = Math.round(SOCKETS / NAMESPACES / PEERS);
const BUDGET_MS = 10_000;
/** The time in which the guard has everything in its care, and the peers have answered probes. */
const SETTLE_MS = longOrShort(12_000, 9000);
const MEASURED_MS = longOrShort(30_000, 6000);
const SWEEP_MS = 2000;
/** Processor time has steps of 10 ms (USER_HZ). */
const TICK_MS = 10;
const PORT = 7000;

/** Reads all, on every address of its namespace. */
const SINK = `
const net = require("net");
net.createServer((s) => s.on("error", () => {}).resume()).listen(${PORT}, "0.0.0.0", 4096, () => console.log("ready"));`;

const nameOf = (i: number): string => `c${i}`;
/** Peer p of namespace i. All peers live in one namespace, which keeps silent for some of them. */
const peer = (i: number, p: number): string => `10.50.${i}.${10 + p}`;

/** Builds namespaces, each with a cable of its own to the one of the peers. */
async function lay(world: World, count: number): Promise<void> {
  const far = Array.from({ length: count }, (_, i) => [
    `addr add 10.50.${i}.1/24 dev f${i}`,
    ...Array.from({ length: PEERS }, (_, p) => `addr add ${peer(i, p)}/24 dev f${i}`),
    `link set f${i} up`,
  ]).flat();
  const names = Array.from({ length: count }, (_, i) => i);
  const links = names.flatMap((i) => [
    `netns add ${nameOf(i)}`,
    `link add f${i} netns far type veth peer name eth0 netns ${nameOf(i)}`,
  ]);
  await world.exec(["ip", "-batch", "-"], ["netns add far", ...links].join("\n"));
  await world.exec(["ip", "-n", "far", "-batch", "-"], ["link set lo up", ...far].join("\n"));
  for (const i of names) {
    const near = ["link set lo up", `addr add 10.50.${i}.2/24 dev eth0`, "link set eth0 up"];
    await world.exec(["ip", "-n", nameOf(i), "-batch", "-"], near.join("\n"));
  }
}

async function inside(world: World, name: string, argv: readonly string[]): Promise<Running> {
  return runningOf(await world.spawn(["nsenter", `--net=/run/netns/${name}`, "--", ...argv]));
}

async function guard(world: World, options: readonly string[]): Promise<Running> {
  return runningOf(
    await world.spawn([...HALFOPEN, "guard", "--all-namespaces", "--json", ...options]),
  );
}

const eventsOf = ({ lines }: Running): GuardEvent[] =>
  lines.map((line) => JSON.parse(line) as GuardEvent);

/** What a process has used of the processor, ms. */
async function processorMs(world: World, pid: number): Promise<number> {
  const stat = await world.exec(["cat", `/proc/${pid}/stat`]);
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

/** The descriptors of a process that are sockets: one for each namespace that it knows. */
async function socketsOf(world: World, pid: number): Promise<number> {
  const list = await world.exec(["sh", "-c", `ls -l /proc/${pid}/fd | grep -c socket: || true`]);
  return Number(list);
}

await describeWith(
  ["root", "namespaces", "nsenter", "ip", "/usr/bin/python3", "11000 descriptors"],
  `guard --all-namespaces (${lengthName})`,
  () => {
    it(`keeps the budget in each of ${NAMESPACES} namespaces with ${NAMESPACES * PEERS * EACH} connections in all, and touches nothing that lives`, {
      timeout: 180_000,
    }, async () => {
      await using world = await World.open();
      await lay(world, NAMESPACES);
      const sink = await inside(world, "far", [process.execPath, "-e", SINK]);
      await until(() => sink.lines.length > 0, "the peers listen");
      const folder = mkdtempSync(join(tmpdir(), "halfopen-namespaces-"));
      const clients = await Promise.all(
        Array.from({ length: NAMESPACES }, (_, i) => {
          const addresses = Array.from({ length: PEERS }, (_, p) => peer(i, p));
          const argv = ["/usr/bin/python3", CLIENTS, String(PORT), String(EACH), ...addresses];
          return inside(world, nameOf(i), argv);
        }),
      );
      for (const { lines } of clients)
        await until(() => lines.includes("ready"), "all are connected");

      const names = Array.from({ length: NAMESPACES }, (_, i) => nameOf(i));
      const rule = {
        name: "all",
        match: { namespace: names, port: PORT },
        "detect-within": `${BUDGET_MS}ms`,
      };
      const rules = join(folder, "rules.json");
      writeFileSync(rules, JSON.stringify({ rules: [rule] }));
      const running = await guard(world, ["--rules", rules, "--apply"]);
      const connections = NAMESPACES * PEERS * EACH;
      await until(() => running.lines.length >= connections, "all are in its care");
      await sleep(SETTLE_MS);

      const before = await processorMs(world, running.process.pid);
      const measuredFrom = performance.now();
      await sleep(MEASURED_MS);
      const usedMs = (await processorMs(world, running.process.pid)) - before;
      const share = usedMs / (performance.now() - measuredFrom);
      console.log(
        `guard of ${connections} connections in ${NAMESPACES} namespaces, among ${2 * connections} sockets: ${(share * SWEEP_MS).toFixed(0)} ms a sweep, ${(100 * share).toFixed(1)} % of a core`,
      );
      expect(eventsOf(running).every(({ action }) => action === "set")).toBe(true);

      // One peer of each namespace dies: its host no longer sends. A third of all connections.
      const cut = names.map((_, i) => `rule add from ${peer(i, 0)} blackhole`);
      const cutAt = process.hrtime.bigint();
      await world.exec(["ip", "-n", "far", "-batch", "-"], cut.join("\n"));
      const lostOf = ({ lines }: Running): string[][] =>
        lines.filter((line) => line.startsWith("lost ")).map((line) => line.split(" "));
      await sleep(BUDGET_MS + 1000);
      await until(() => clients.every((client) => lostOf(client).length >= EACH), "all are found");

      const foundMs: number[] = [];
      for (const [i, client] of clients.entries()) {
        const lost = lostOf(client);
        expect(lost.map(([, address]) => address)).toEqual(Array(EACH).fill(peer(i, 0)));
        for (const [, , , clock] of lost) foundMs.push(Number(clock) * 1000 - Number(cutAt) / 1e6);
        // Twenty namespaces on few processors: one survey more at the most.
        expect(Math.max(...foundMs)).toBeLessThan(BUDGET_MS + SWEEP_MS);
      }
      console.log(
        `${foundMs.length} dead ones, budget ${BUDGET_MS} ms: ended ${Math.min(...foundMs).toFixed(0)} to ${Math.max(...foundMs).toFixed(0)} ms after the cut`,
      );
      const ended = eventsOf(running).filter(({ action }) => action !== "set");
      expect(ended.length).toBe(NAMESPACES * EACH);
      for (const { action, connection, diagnosis } of ended) {
        expect({ action, cause: diagnosis?.cause }).toEqual({
          action: "destroy",
          cause: "path-silent",
        });
        expect(connection.remote).toBe(`10.50.${connection.namespace?.slice(1)}.10:${PORT}`);
      }
      expect(running.process.errors).toEqual([]);
      await running.process.signal("SIGTERM");
      expect(await running.ended).toBe(0);
      rmSync(folder, { recursive: true });
    });

    it("finds namespaces that come while it runs within two surveys, and lets those that go be freed", {
      timeout: 90_000,
    }, async () => {
      await using world = await World.open();
      await lay(world, 1);
      const sink = await inside(world, "far", [process.execPath, "-e", SINK]);
      await until(() => sink.lines.length > 0, "the peers listen");
      const everyMs = 500;
      const options = ["--detect-within", "5s", "--peer", "10.50.0.0/16", "--every", "500ms"];
      const running = await guard(world, [...options, "--apply"]);
      await sleep(4 * everyMs);
      const { pid } = running.process;
      const atFirst = await socketsOf(world, pid);

      // A container without a name, as a runtime makes it: only its process leads there.
      const script = (i: number): string => `
        ip link set lo up; ip addr add 10.50.0.${100 + i}/24 dev eth0; ip link set eth0 up
        exec /usr/bin/python3 ${CLIENTS} ${PORT} 2 ${peer(0, 1)}`;
      for (let i = 0; i < 6; i++) {
        const container = runningOf(
          await world.spawn(["unshare", "--net", "sh", "-c", `read go; ${script(i)}`]),
        );
        const target = String(container.process.pid);
        await until(async () => {
          const link = (of: string): Promise<string> =>
            world.exec(["readlink", `/proc/${of}/ns/net`]);
          return (await link(target)) !== (await link("self"));
        }, "it has a namespace of its own");
        const lines = [
          `link add g${i} type veth peer name eth0 netns ${target}`,
          `addr add 10.50.0.${200 + i}/32 dev g${i}`,
          `link set g${i} up`,
          `route add 10.50.0.${100 + i}/32 dev g${i}`,
        ];
        await world.exec(["ip", "-n", "far", "-batch", "-"], lines.join("\n"));
        await container.process.write("go");
        await until(() => container.lines.includes("ready"), "it is connected");
        const seen = running.lines.length;
        const startedAt = performance.now();
        await until(() => running.lines.length >= seen + 2, "the guard has found it");
        expect(performance.now() - startedAt).toBeLessThan(2 * everyMs + 500);
        for (const { connection } of eventsOf(running)
          .slice(seen)
          .filter(({ connection: it }) => it.process !== "node"))
          expect(connection).toMatchObject({
            process: "python3",
            namespace: expect.stringMatching(/^net:\[\d+\]$/) as string,
          });
        expect(await socketsOf(world, pid)).toBeGreaterThan(atFirst);
        await container.process.signal("SIGKILL");
        await container.ended;
        // Freed with the namespace: the kernel takes our end of its cable with it.
        await until(
          async () => !(await world.exec(["ip", "-n", "far", "link"])).includes(`g${i}@`),
          "its namespace is freed",
        );
      }
      await sleep(4 * everyMs);
      expect(await socketsOf(world, pid)).toBe(atFirst);
      expect(eventsOf(running).filter(({ action }) => action !== "set")).toEqual([]);
      expect(running.process.errors).toEqual([]);
    });
  },
);
