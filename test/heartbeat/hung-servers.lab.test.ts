import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { World } from "../../src/lab/world.ts";
import { describeWith } from "../setup/requires.ts";
import { monotonicMs, TalkingProcess } from "./client-process.mjs";
import { Folder, familyOf, SERVERS, startServers } from "./servers.mjs";

const BUDGET_MS = 2500;
const GRACE_MS = 250;
/** What a blocking command of the program allows its server. */
const OWN_TIMEOUT_MS = 1000;

const STATES = ["idle", "waiting", "blocked", "transaction"] as const;
type Outcome = "found" | "left alone" | "";

/** By client and state, as docs/heartbeat.md says: the table of "When the server's process hangs". */
const DOCUMENTED: Record<string, Outcome> = Object.fromEntries(
  (
    readFileSync(new URL("../../docs/heartbeat.md", import.meta.url), "utf8")
      .split("## When the server's process hangs")[1]
      ?.split("\n## ")[0]
      ?.split("\n")
      .filter((line) => line.startsWith("| `")) ?? []
  ).flatMap((line) => {
    const [, clients = "", ...cells] = line.split("|").map((cell) => cell.trim());
    return [...clients.matchAll(/`([^`]+)`/g)].flatMap(([, client]) =>
      STATES.map((state, at) => [`${client} ${state}`, cells[at] as Outcome]),
    );
  }),
);
const SAID = Object.keys(DOCUMENTED).filter((key) => DOCUMENTED[key] !== "");

const PROGRAM = new URL("hung-program.mjs", import.meta.url).pathname;
const needs = Object.values(SERVERS).map(({ needs }) => needs);

await describeWith(["root", "namespaces", ...needs], "a server whose process hangs", () => {
  it("is found or left alone, by client and by what it does, as docs/heartbeat.md says", {
    timeout: 120_000,
  }, async () => {
    expect(SAID.length).toBeGreaterThan(20);
    using folder = new Folder();
    await using world = await World.open();
    const network = await world.network();
    const servers = await startServers(network, folder.path);
    const argv = [process.execPath, PROGRAM, network.address("right"), `${BUDGET_MS}`];
    const program = new TalkingProcess(await network.spawn("left", argv, { unprivileged: true }));
    await program.hears("ready", 0, 40_000);
    expect(program.said.map(({ event }) => event)).toEqual(["ready"]);

    const families = await Promise.all(servers.map(({ pid }) => familyOf(network, pid)));
    const stoppedAt = monotonicMs();
    await network.run("right", ["kill", "-STOP", ...families.flat().map(String)]);
    await sleep(OWN_TIMEOUT_MS + BUDGET_MS + 3000);

    const deaths = program.said.filter(({ event }) => event === "dead") as unknown as {
      client: string;
      state: (typeof STATES)[number];
      cause: string;
      at: number;
    }[];
    const found = new Set(deaths.map(({ client, state }) => `${client} ${state}`));
    const outcomes = SAID.map((key) => [key, found.has(key) ? "found" : "left alone"]);
    expect(Object.fromEntries(outcomes)).toEqual(
      Object.fromEntries(SAID.map((key) => [key, DOCUMENTED[key]])),
    );
    expect(found.size).toBe(deaths.length);
    for (const { client, state, cause, at } of deaths) {
      expect(cause, `${client} ${state}`).toBe("peer-hung");
      const withinMs = BUDGET_MS + GRACE_MS + (state === "blocked" ? OWN_TIMEOUT_MS : 0);
      expect(at - stoppedAt, `${client} ${state}`).toBeLessThanOrEqual(withinMs);
    }
  });
});
