import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { GuardAction, GuardEvent } from "../../src/guard/event.ts";
import { World } from "../../src/lab/world.ts";
import { describeWith } from "../setup/requires.ts";
import { NOBODY, Stage, until } from "./stage.ts";

/** Time in which surveys find all connections, set them, and every peer answers two probes. */
const SETTLE_MS = 5000;

const of = (events: readonly GuardEvent[], action: GuardAction): GuardEvent[] =>
  events.filter((event) => event.action === action);

await describeWith(["root", "namespaces", "ss", "/usr/bin/python3"], "halfopen guard", () => {
  let world: World;
  let folder: string;
  beforeAll(async () => {
    world = await World.open();
    folder = mkdtempSync(join(tmpdir(), "halfopen-guard-"));
  });
  afterAll(async () => {
    await world.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it.concurrent("without --apply it reports what it would do and changes nothing", {
    timeout: 120_000,
  }, async () => {
    const stage = await Stage.open(world);
    const clients = [await stage.client(7000), await stage.client(7001, { isWriting: true })];
    const before = await stage.settings();
    expect(Object.keys(before).length).toBe(2);
    const { running, events } = await stage.guard(["--detect-within", "5s"]);
    await sleep(SETTLE_MS);
    await stage.network.pullCable();
    await until(() => of(events(), "would-destroy").length > 0, "it would end one");
    await sleep(2000);
    // A dry run sends no probes, so nothing is known of the idle connection.
    expect(
      events()
        .map(({ action, connection }) => `${action} ${connection.remote}`)
        .sort(),
    ).toEqual([
      "would-destroy 10.77.0.2:7001",
      "would-set 10.77.0.2:7000",
      "would-set 10.77.0.2:7001",
    ]);
    expect(of(events(), "would-destroy")[0]?.diagnosis).toMatchObject({
      state: "dead",
      cause: "path-silent",
    });
    expect(clients.map(({ code }) => code())).toEqual([undefined, undefined]);
    expect(await stage.settings()).toEqual(before);
    expect(running.process.errors).toEqual([]);
  });

  it.concurrent("--once leaves the settings, ends the connections that are dead by then, and exits with 1 for them", {
    timeout: 120_000,
  }, async () => {
    const stage = await Stage.open(world);
    const clients = [await stage.client(7000), await stage.client(7001, { isWriting: true })];
    const once = ["--detect-within", "5s", "--apply", "--once"];
    const first = await stage.guard(once);
    expect(await first.running.ended).toBe(0);
    expect(first.events().map(({ action }) => action)).toEqual(["set", "set"]);
    for (const { keepalive } of Object.values(await stage.settings()))
      expect(keepalive).toMatchObject({ enabled: true, idleMs: 1000, count: 40 });
    await stage.network.pullCable();
    // The peer of the idle connection was never seen to answer, and may be one that never does.
    const second = await stage.guard(once);
    expect(await second.running.ended).toBe(1);
    expect(
      second
        .events()
        .map(({ action }) => action)
        .sort(),
    ).toEqual(["destroy", "hold"]);
    expect(of(second.events(), "hold")[0]?.diagnosis).toMatchObject({
      state: "suspect",
      certainty: "medium",
    });
    const third = await stage.guard([...once, "--end-unproven"]);
    expect(await third.running.ended).toBe(1);
    expect(of(third.events(), "destroy").length).toBe(1);
    expect(await Promise.all(clients.map(({ ended }) => ended))).toEqual([7, 7]);
  });

  it.concurrent("chooses by user, port and process, rereads its rules on SIGHUP, and reports its actions", {
    timeout: 120_000,
  }, async () => {
    const stage = await Stage.open(world);
    const clients = {
      7000: await stage.client(7000, { uid: NOBODY }),
      7001: await stage.client(7001),
      7002: await stage.client(7002, { kind: "python" }),
      7003: await stage.client(7003),
    };
    const rules = join(folder, "rules.yaml");
    const head = `rules:
  - { name: by user, match: { uid: ${NOBODY} }, detect-within: 5s }
  - { name: by port, match: { port: 7001 }, detect-within: 6s }
`;
    writeFileSync(
      rules,
      `${head}  - { name: by process, match: { process: python3 }, detect-within: 5s, end-dead: false }\n`,
    );
    const metrics = async (): Promise<string> => {
      const fetching =
        'require("http").get("http://127.0.0.1:9555/metrics", (r) => r.pipe(process.stdout))';
      return stage.network.run("left", ["node", "-e", fetching]);
    };
    const { running, events } = await stage.guard([
      "--rules",
      rules,
      "--apply",
      "--metrics",
      "127.0.0.1:9555",
    ]);
    const covered = (): string[] =>
      of(events(), "set").map(({ rule, connection }) => `${rule}: ${connection.remote}`);
    await until(() => covered().length >= 3, "three are set");
    expect(covered().sort()).toEqual([
      "by port: 10.77.0.2:7001",
      "by process: 10.77.0.2:7002",
      "by user: 10.77.0.2:7000",
    ]);
    expect(await metrics()).toMatch(/^halfopen_guard_sockets 3$/m);

    writeFileSync(rules, `${head}  - { name: broken, match: { port: 7003 } }\n`);
    await running.process.signal("SIGHUP");
    await until(() => running.process.errors.length > 0, "it reports the mistake");
    expect(running.process.errors.join("\n")).toMatch(
      /the old rules stay: .*rules\.yaml:4:5: rule broken needs detect-within/,
    );
    writeFileSync(
      rules,
      `${head}  - { name: by process, match: { process: python3 }, detect-within: 5s, end-dead: false }
  - { name: new, match: { port: 7003 }, detect-within: 5s }\n`,
    );
    await running.process.signal("SIGHUP");
    await until(() => covered().includes("new: 10.77.0.2:7003"), "the new rule applies");

    await sleep(SETTLE_MS);
    await stage.network.pullCable();
    await until(
      () => of(events(), "destroy").length >= 3 && of(events(), "hold").length >= 1,
      "three are ended, one is not",
    );
    expect(
      of(events(), "destroy")
        .map(({ rule }) => rule)
        .sort(),
    ).toEqual(["by port", "by user", "new"]);
    expect(of(events(), "hold").map(({ rule, reason }) => [rule, reason])).toEqual([
      ["by process", "by process says to end nothing"],
    ]);
    for (const { diagnosis } of of(events(), "destroy")) {
      expect(diagnosis).toMatchObject({
        cause: "path-silent",
        evidence: { tcpInfo: { state: "ESTABLISHED" } },
      });
      expect(diagnosis?.evidence.unansweredAttempts).toBeGreaterThan(1);
    }
    expect(
      await Promise.all([7000, 7001, 7003].map((port) => clients[port as 7000].ended)),
    ).toEqual([7, 7, 7]);
    expect(clients[7002].code()).toBeUndefined();
    expect(await metrics()).toMatch(/^halfopen_guard_actions_total\{action="destroy"\} 3$/m);
    await running.process.signal("SIGTERM");
    expect(await running.ended).toBe(0);
  });

  it.concurrent("ends no connection when most peers fall silent at once, restores all settings when stopped, and resumes", {
    timeout: 120_000,
  }, async () => {
    const stage = await Stage.open(world);
    const { network } = stage;
    const peers = [11, 12, 13, 14, 15, 16].map((last) => `10.77.0.${last}`);
    for (const peer of peers)
      await network.run("right", ["ip", "addr", "add", `${peer}/24`, "dev", "eth0"]);
    const clients = await Promise.all(
      peers.map((to, i) => stage.client(7000, { to, isWriting: i === 0 })),
    );
    const own = await stage.settings();
    const args = ["--detect-within", "5s", "--apply"];
    const first = await stage.guard(args);
    await sleep(SETTLE_MS);
    const settings = await stage.settings();
    await network.pullCable();
    await until(() => of(first.events(), "hold").length === peers.length, "it holds all");
    expect(of(first.events(), "hold")[0]?.reason).toMatch(
      /of 6 peers are silent at once: more probably it is this host/,
    );
    for (const { keepalive } of Object.values(await stage.settings()))
      expect(keepalive?.count).toBe(127);

    await first.running.process.signal("SIGTERM");
    expect(await first.running.ended).toBe(0);
    expect(await stage.settings()).toEqual(own);
    await network.plugCable();

    const second = await stage.guard(args);
    await sleep(SETTLE_MS);
    expect(second.events().map(({ action }) => action)).toEqual(peers.map(() => "set"));
    expect(await stage.settings()).toEqual(settings);
    expect(clients.map(({ code }) => code())).toEqual(peers.map(() => undefined));
    await network.run("right", ["ip", "addr", "del", `${peers[1]}/24`, "dev", "eth0"]);
    expect(await clients[1]?.ended).toBe(7);
    expect(of(second.events(), "destroy").map(({ connection }) => connection.remote)).toEqual([
      `${peers[1]}:7000`,
    ]);
    expect(clients.filter(({ code }) => code() === undefined).length).toBe(peers.length - 1);
  });

  it.concurrent("gives an accepted connection the listener's own settings, and a connection that the rules no longer cover the program's", {
    timeout: 120_000,
  }, async () => {
    const stage = await Stage.open(world);
    const server = `
      const net = require("net");
      net.createServer((s) => s.resume()).listen(6000, "::", () => console.log("ready"));`;
    const running = await stage.start("left", [process.execPath, "-e", server]);
    await until(() => running.lines.includes("ready"), "it listens");
    const rules = join(folder, "listener.yaml");
    writeFileSync(
      rules,
      "rules:\n  - { name: all, match: { port: [6000, 7000] }, detect-within: 5s }\n",
    );
    await stage.client(7000);
    const own = await stage.settings();
    const { running: guard, events } = await stage.guard(["--rules", rules, "--apply"]);
    await until(() => of(events(), "set").length === 2, "the listener and the client are set");
    const far = await stage.start("right", [
      process.execPath,
      "-e",
      `require("net").connect(6000, "${stage.network.address("left")}", () => console.log("ready")).resume()`,
    ]);
    await until(() => far.lines.includes("ready"), "a client is accepted");
    await sleep(SETTLE_MS);
    const accepted = async (): Promise<unknown> =>
      Object.entries(await stage.settings()).find(([remote]) => !remote.endsWith(":7000"))?.[1];
    expect(await accepted()).toMatchObject({ keepalive: { enabled: true, count: 40 } });
    writeFileSync(rules, "rules:\n  - { name: all, match: { port: 6000 }, detect-within: 5s }\n");
    await guard.process.signal("SIGHUP");
    await sleep(SETTLE_MS);
    expect(await stage.settings()).toMatchObject(own);
    expect(await accepted()).toMatchObject({ keepalive: { enabled: true, count: 40 } });
    await guard.process.signal("SIGTERM");
    expect(await guard.ended).toBe(0);
    expect(await accepted()).toMatchObject({ keepalive: { enabled: false }, userTimeoutMs: 0 });
    expect(guard.process.errors).toEqual([]);
  });
});
