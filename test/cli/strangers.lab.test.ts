import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { AuditedConnection, AuditSummary } from "../../src/audit/audited-connection.ts";
import { World } from "../../src/lab/world.ts";
import { describeWith } from "../setup/requires.ts";
import { HALFOPEN, type Running, Stage, until } from "./stage.ts";

/** Takes a name (prctl PR_SET_NAME), connects, and exits with 7 when it has lost its connection. */
const NAMED = `
import ctypes, socket, sys
ctypes.CDLL(None).prctl(15, bytes.fromhex(sys.argv[1]), 0, 0, 0)
s = socket.create_connection((sys.argv[2], int(sys.argv[3])))
print("connected", flush=True)
try: s.recv(1)
except OSError: sys.exit(7)`;
/** Becomes a daemon: two forks, its own session, both parents gone at once. Connects only then. */
const DAEMON = `
import os, socket, sys
if os.fork():
  os.wait()
  sys.stdin.read()
  sys.exit(0)
os.setsid()
if os.fork(): os._exit(0)
s = socket.create_connection((sys.argv[1], int(sys.argv[2])))
print("connected", os.getpid(), flush=True)
try: s.recv(1)
except OSError as error: print("lost", error.errno, flush=True)`;
/** No host has this address, and nothing reports that. */
const NOBODY_THERE = "10.77.0.99";
const NAMES = [
  "\u001b[2J\u001b]0;pwn\u0007",
  "x\nDEAD sshd 1",
  "\u009b2J\u202exyz",
  "a\rb\b\b\u007f",
];

const hex = (name: string): string => Buffer.from(name).toString("hex");
const named = (name: string, host: string, port: number): string[] => [
  "/usr/bin/python3",
  "-c",
  NAMED,
  hex(name),
  host,
  String(port),
];

/** Time in which every peer answers two probes. */
const ANSWERED_MS = 5000;

await describeWith(["root", "namespaces", "ss", "/usr/bin/python3"], "programs of others", () => {
  let world: World;
  beforeAll(async () => {
    world = await World.open();
  });
  afterAll(() => world.close());

  /** Returns the output of a command that exits with 0 or 1. */
  const told = (stage: Stage, args: readonly string[]): Promise<string> =>
    stage.network.run("left", ["sh", "-c", '"$@"; test $? -le 1', "sh", ...HALFOPEN, ...args]);
  const connected = async (program: Running): Promise<Running> => {
    await until(
      () => program.lines.some((line) => line.startsWith("connected")),
      "it is connected",
    );
    return program;
  };
  /**
   * Expects printable characters and ends of lines only. No line may begin with the part of a name
   * that follows its end of line.
   */
  const isCalm = (text: string): void => {
    expect(text).toMatch(/^[ -~\n]+$/);
    expect(text).not.toMatch(/^DEAD/m);
  };

  it.concurrent("the name of a process is shown, and acts on no terminal and no log", {
    timeout: 120_000,
  }, async () => {
    const stage = await Stage.open(world);
    const host = stage.network.address("right");
    for (const [i, name] of NAMES.entries())
      await connected(await stage.start("left", named(name, host, 7000 + (i % 4))));

    const table = await told(stage, ["audit"]);
    isCalm(table);
    expect(table).toContain("\\x1b[2J\\x1b]0;pwn\\x07 ");
    expect(table).toContain("x\\x0aDEAD sshd 1 ");
    const json = await told(stage, ["audit", "--json"]);
    isCalm(json);
    const { connections } = JSON.parse(json) as { connections: AuditedConnection[] };
    // Data stays data
    expect(connections.map(({ process }) => process).sort()).toEqual([...NAMES].sort());
    isCalm(await told(stage, ["explain", `${host}:7000`]));
    isCalm(await told(stage, ["explain", `${host}:7001`, "--json"]));
    isCalm(await told(stage, ["system"]));
    const log = await told(stage, ["guard", "--detect-within", "5s", "--once"]);
    isCalm(log);
    expect(log.split("\n").filter((line) => line.includes(" would-set ")).length).toBe(
      NAMES.length,
    );
    isCalm(await told(stage, ["guard", "--detect-within", "5s", "--once", "--json"]));
    await connected(await stage.start("left", named(NAMES[1] as string, host, 7000)));
    // Several connections at one address are listed in an error message.
    const { process, ended } = await stage.start("left", [...HALFOPEN, "explain", `${host}:7000`]);
    expect(await ended).toBe(2);
    isCalm(process.errors.join("\n"));
  });

  it.concurrent("the name of a process is harmless in both logs of exec too", {
    timeout: 120_000,
  }, async () => {
    const stage = await Stage.open(world);
    const exec = [...HALFOPEN, "exec", "--detect-within", "5s"];
    const programs = await Promise.all(
      [exec, [...exec, "--json"]].map(async (it, i) =>
        connected(
          await stage.start("left", [
            ...it,
            "--",
            ...named(NAMES[i] as string, stage.network.address("right"), 7000),
          ]),
        ),
      ),
    );
    await sleep(ANSWERED_MS);
    await stage.network.pullCable();
    expect(await Promise.all(programs.map(({ ended }) => ended))).toEqual([7, 7]);
    for (const { process } of programs) {
      await until(() => process.errors.length > 0, "it reports its action");
      isCalm(process.errors.join("\n"));
    }
    expect(programs[0]?.process.errors.join()).toContain("destroy \\x1b[2J\\x1b]0;pwn\\x07[");
  });

  it.concurrent("a daemon that leaves its parents is covered, and its zombie is reaped", {
    timeout: 120_000,
  }, async () => {
    const stage = await Stage.open(world);
    const daemon = ["/usr/bin/python3", "-c", DAEMON, stage.network.address("right"), "7000"];
    const program = await connected(
      await stage.start("left", [...HALFOPEN, "exec", "--detect-within", "5s", "--", ...daemon]),
    );
    const settings = async () => (await stage.settings())["10.77.0.2:7000"]?.keepalive;
    await until(async () => (await settings())?.enabled === true, "its connection is set");
    await sleep(ANSWERED_MS);
    await stage.network.pullCable();
    await until(
      () => program.lines.some((line) => line.startsWith("lost")),
      "it learns that its peer is gone",
    );
    const [, pid = ""] = program.lines[0]?.split(" ") ?? [];
    // A zombie still has its entry in /proc.
    await until(
      async () => !(await stage.network.run("left", ["ls", "/proc"])).split("\n").includes(pid),
      "it is reaped",
    );
    expect(program.code()).toBeUndefined();
    await program.process.signal("SIGTERM");
    expect(await program.ended).not.toBe(0);
  });

  it.concurrent("a peer that never answered is not alive: the report has the attempt's age, its repeats and its end", {
    timeout: 120_000,
  }, async () => {
    const stage = await Stage.open(world);
    const { network } = stage;
    await network.run("left", [
      "ip",
      "neigh",
      "replace",
      NOBODY_THERE,
      "lladdr",
      "02:77:00:00:00:99",
      "dev",
      "eth0",
      "nud",
      "permanent",
    ]);
    // As many repeats as prove death on an established connection.
    await network.run("left", ["sysctl", "-qw", "net.ipv4.tcp_syn_retries=4"]);
    const watching = await stage.start("left", [
      ...HALFOPEN,
      "audit",
      "--watch",
      "--json",
      "--every",
      "500ms",
    ]);
    await until(() => watching.lines.length > 0, "the audit has begun");
    const startedAt = performance.now();
    await stage.start("left", named("seeker", NOBODY_THERE, 80));
    const audited = async (): Promise<{
      connections: AuditedConnection[];
      summary: AuditSummary;
    }> => JSON.parse(await told(stage, ["audit", "--json", "--peer", NOBODY_THERE]));
    await until(async () => (await audited()).connections.length > 0, "it tries");
    await sleep(3000);
    const { connections, summary } = await audited();
    const elapsedMs = performance.now() - startedAt;
    const [attempt] = connections;
    expect(attempt).toMatchObject({ state: "SYN_SENT", lastHeardMs: null, process: "seeker" });
    expect(attempt?.diagnosis).toMatchObject({
      state: "suspect",
      cause: "connecting",
      certainty: "certain",
      silentForMs: null,
      since: null,
    });
    expect(summary).toMatchObject({ connections: 1, neverNotice: 0, dead: 0, suspect: 1 });
    const [answer = "", age = "", end = ""] = attempt?.diagnosis?.why ?? [];
    expect(answer).toMatch(
      /^the connection is not made yet: no answer to our SYN, which was repeated \d+ times$/,
    );
    const ageMs = 1000 * Number(/^the first SYN left ([\d.]+) s ago$/.exec(age)?.[1]);
    expect(ageMs).toBeGreaterThan(2900);
    expect(ageMs).toBeLessThan(elapsedMs);
    const leftMs = 1000 * Number(/^the kernel gives up in ([\d.]+) s$/.exec(end)?.[1]);
    expect(Math.abs(ageMs + leftMs - (attempt?.noticeMs.idle ?? 0))).toBeLessThan(200);

    // Exit code 0: the kernel ends the attempt by itself.
    const words = await network.run("left", [...HALFOPEN, "explain", `${NOBODY_THERE}:80`]);
    expect(words).toContain("the peer was never heard: the connection is not made yet");
    expect(words).toContain("suspect: connecting (certainty: certain)");
    expect(words).not.toMatch(/answers|does not read|0 bytes|stays ESTABLISHED|\balive\b/);
    expect(await network.run("left", [...HALFOPEN, "audit", "--peer", NOBODY_THERE])).toMatch(
      / SYN_SENT +never .* SUSPECT: connecting/,
    );
    const { running, events } = await stage.guard(["--detect-within", "5s", "--once", "--apply"]);
    expect({ code: await running.ended, events: events() }).toEqual({ code: 0, events: [] });

    const givesUpAt = startedAt + (attempt?.noticeMs.idle ?? 0);
    await sleep(givesUpAt - performance.now() - 1000);
    expect((await audited()).connections.length).toBe(1);
    await until(async () => (await audited()).connections.length === 0, "the kernel gives up");
    await sleep(1500);
    const deaths = watching.lines.flatMap(
      (line) => (JSON.parse(line) as { deaths: unknown[] }).deaths,
    );
    expect(deaths).toEqual([]); // an attempt that the kernel gave up is no death
  });
});
