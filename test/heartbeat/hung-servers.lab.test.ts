import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { World } from "../../src/lab/world.ts";
import { graceMs } from "../setup/grace.ts";
import { describeWith } from "../setup/requires.ts";
import { monotonicMs, TalkingProcess } from "./client-process.mjs";
import { Folder, SERVERS, startServers, stopAll } from "./servers.mjs";

const BUDGET_MS = 2500;
/** What a blocking command of the program allows its server. */
const OWN_TIMEOUT_MS = 1000;

const STATES = ["idle", "waiting", "blocked", "transaction"] as const;
type Outcome = "found" | "left alone" | "";

interface Said {
  readonly event: string;
  readonly client: string;
  readonly state: (typeof STATES)[number];
  readonly cause: string;
  readonly at: number;
}

/** By client and state, as the table of docs/heartbeat.md says: with a time, it was found. */
const DOCUMENTED: Record<string, Outcome> = Object.fromEntries(
  tableUnder("| client | idle | a request waits |").flatMap(([client, ...cells]) =>
    STATES.map((state, at) => [`${client} ${state}`, outcomeOf(cells[at])] as const),
  ),
);

/** Returns the rows under a heading in docs/heartbeat.md. */
function tableUnder(heading: string): string[][] {
  const page = readFileSync(new URL("../../docs/heartbeat.md", import.meta.url), "utf8");
  const [table = ""] = page.slice(page.indexOf(heading)).split("\n\n");
  return table
    .split("\n")
    .slice(2)
    .map((line) => line.split("|").slice(1, -1))
    .map((cells) => cells.map((cell) => cell.trim()));
}

function outcomeOf(cell = ""): Outcome {
  if (cell === "-") return "";
  return cell === "left alone" ? cell : "found";
}

const PROGRAM = new URL("hung-program.mjs", import.meta.url).pathname;
const needs = Object.values(SERVERS).map(({ needs }) => needs);

await describeWith(["root", "namespaces", ...needs], "a server whose process hangs", () => {
  it("is found or left alone, by client and by what it does, as docs/heartbeat.md says", {
    timeout: 120_000,
  }, async () => {
    using folder = new Folder();
    await using world = await World.open();
    const network = await world.network();
    const servers = await startServers(network, folder.path);
    const argv = [process.execPath, PROGRAM, network.address("right"), `${BUDGET_MS}`];
    const program = new TalkingProcess(await network.spawn("left", argv, { unprivileged: true }));
    await program.hears("ready", 0, 40_000);
    expect(program.said.filter(({ event }) => event === "dead")).toEqual([]);

    await stopAll(network, servers);
    const stoppedAt = monotonicMs();
    await sleep(OWN_TIMEOUT_MS + BUDGET_MS + 3000);

    const all = program.said as unknown as Said[];
    const deaths = all.filter(({ event }) => event === "dead");
    const found = new Set(deaths.map(({ client, state }) => `${client} ${state}`));
    const entered = all
      .filter(({ event }) => event === "enters")
      .map(({ client, state }) => `${client} ${state}`);
    expect(entered.length).toBeGreaterThan(20);
    const outcomes = entered.map((key) => [key, found.has(key) ? "found" : "left alone"]);
    expect(Object.fromEntries(outcomes)).toEqual(
      Object.fromEntries(entered.map((key) => [key, DOCUMENTED[key]])),
    );
    expect(found.size).toBe(deaths.length);
    for (const { client, state, cause, at } of deaths) {
      expect(cause, `${client} ${state}`).toBe("peer-hung");
      const withinMs = BUDGET_MS + graceMs() + (state === "blocked" ? OWN_TIMEOUT_MS : 0);
      expect(at - stoppedAt, `${client} ${state}`).toBeLessThanOrEqual(withinMs);
    }
  });
});
