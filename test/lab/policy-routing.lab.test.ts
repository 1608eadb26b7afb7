import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import type { Network } from "../../src/lab/network.ts";
import { World } from "../../src/lab/world.ts";
import { describeWith } from "../setup/requires.ts";
import { type Opened, type Program, startPeer, startProgram } from "./causes-scene.ts";

const BUDGET_MS = 2500;
/** Time for two answered probes, so that the peer is known to answer them. */
const WARM_UP_MS = 6000;
const PORTS = { byPort: 7000, other: 7001 };
const OTHER_ADDRESS = { 4: "10.77.1.77", 6: "fd77:1::77" } as const;
const FAMILIES = [4, 6] as const;

/**
 * Leaves the left host no default route but in table 100, to which only rules lead (iputils#340):
 * by port, source address, mark, user, interface.
 */
async function routeByPolicy(network: Network): Promise<void> {
  const ip = (...words: string[]): Promise<string> => network.run("left", ["ip", ...words]);
  for (const family of FAMILIES) {
    const router = family === 4 ? "10.77.1.254" : "fd77:1::fe";
    await ip(`-${family}`, "route", "del", "default");
    await ip(`-${family}`, "route", "add", "default", "via", router, "table", "100");
    const length = family === 4 ? 24 : 64;
    const nodad = family === 6 ? ["nodad"] : [];
    await ip("addr", "add", `${OTHER_ADDRESS[family]}/${length}`, "dev", "eth0", ...nodad);
    for (const rule of [
      ["ipproto", "tcp", "dport", String(PORTS.byPort)],
      ["from", OTHER_ADDRESS[family]],
      ["fwmark", "7"],
      ["uidrange", "1234-1234"],
      ["oif", "eth0"],
    ])
      await ip(`-${family}`, "rule", "add", ...rule, "lookup", "100");
  }
}

/** A connection for each kind of rule. */
function connectionsOf(network: Network): Opened[] {
  return FAMILIES.flatMap((family) => {
    const host = network.address("right", family);
    const by = { host, family, budgetMs: BUDGET_MS, port: PORTS.other };
    return [
      { ...by, id: `port, IPv${family}`, port: PORTS.byPort },
      { ...by, id: `source address, IPv${family}`, localAddress: OTHER_ADDRESS[family] },
      { ...by, id: `mark, IPv${family}`, mark: 7 },
      { ...by, id: `user, IPv${family}`, uid: 1234 },
      { ...by, id: `interface, IPv${family}`, device: "eth0" },
    ];
  });
}

async function verdicts(program: Program, ids: readonly string[]): Promise<string[]> {
  return Promise.all(
    ids.map(async (id) => {
      const { cause, certainty, why } = await program.diagnosis("dead", id);
      return `${id}: ${cause}, ${certainty}${cause === "path-silent" ? "" : `, ${why[0]}`}`;
    }),
  );
}

await describeWith(["namespaces", "root"], "policy routing", () => {
  it.concurrent("is no missing route: a severed path is silent, by whatever rule the route is found", {
    timeout: 60_000,
  }, async () => {
    await using world = await World.open();
    const network = await world.network({ variant: "router" });
    await startPeer(network, Object.values(PORTS));
    await routeByPolicy(network);
    const connections = connectionsOf(network);
    const program = await startProgram(network, "left", connections);
    await sleep(WARM_UP_MS);
    await network.blackHole();
    const ids = connections.map(({ id }) => id);
    expect(await verdicts(program, ids)).toEqual(ids.map((id) => `${id}: path-silent, high`));
  });

  it.concurrent("shows a route that is deleted afterwards, with certainty", {
    timeout: 60_000,
  }, async () => {
    await using world = await World.open();
    const network = await world.network({ variant: "router" });
    await startPeer(network, Object.values(PORTS));
    await routeByPolicy(network);
    // The kernel takes a peer to be on the link where a bound socket finds no route.
    const connections = connectionsOf(network).filter(({ device }) => device === undefined);
    const program = await startProgram(network, "left", connections);
    await sleep(WARM_UP_MS);
    for (const family of FAMILIES)
      await network.run("left", ["ip", `-${family}`, "route", "flush", "table", "100"]);
    const ids = connections.map(({ id }) => id);
    expect(await verdicts(program, ids)).toEqual(
      ids.map((id) => `${id}: local-link-down, certain, this host has no route to the peer`),
    );
  });

  it.concurrent("is not examined for a socket of another network namespace", {
    timeout: 60_000,
  }, async () => {
    await using world = await World.open();
    const network = await world.network({ variant: "router" });
    await startPeer(network, [PORTS.other]);
    const neighbour = await network.spawn("left", ["sleep", "60"]);
    const host = network.address("right");
    const program = await startProgram(network, "mid", [
      { id: "foreign", host, port: PORTS.other, budgetMs: BUDGET_MS, namespaceOf: neighbour.pid },
    ]);
    await sleep(WARM_UP_MS);
    await network.blackHole();
    const { cause, evidence } = await program.diagnosis("dead", "foreign");
    expect({ cause, hasRoute: evidence.localPath?.hasRoute }).toEqual({
      cause: "path-silent",
      hasRoute: null,
    });
  });
});
