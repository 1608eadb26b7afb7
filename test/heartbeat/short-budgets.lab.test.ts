import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { CALM_GRACE_MS } from "../../src/lab/pressure.ts";
import { World } from "../../src/lab/world.ts";
import { graceMs } from "../setup/grace.ts";
import { describeWith } from "../setup/requires.ts";
import { ClientProcess, CUT_CAUSES, monotonicMs } from "./client-process.mjs";
import { Folder, SERVERS, startServers, stopAll } from "./servers.mjs";

const BUDGET_MS = 500;
/** How late a verdict may be on a calm machine. */
const LATE_MS = 50;
/** Those that may be asked again before their last answer came. */
const CLIENTS = ["ws", "ws-server", "frames", "engine.io", "engine.io-server", "socket.io", "nats"];
const kinds = { node: SERVERS.node, nats: SERVERS.nats };

await describeWith(
  ["root", "namespaces", "nats-server"],
  "clients watched at half a second",
  () => {
    it.each(["cable", "hang"])(
      "lose a dead server in time: %s",
      { timeout: 60_000 },
      async (how) => {
        using folder = new Folder();
        await using world = await World.open();
        const network = await world.network();
        const servers = await startServers(network, folder.path, kinds);
        const program = await ClientProcess.start(network, CLIENTS, { budgetMs: BUDGET_MS });
        await sleep(3000);
        expect(program.said.filter(({ event }) => event === "dead")).toEqual([]);

        const from = monotonicMs();
        if (how === "cable") await network.pullCable();
        else await stopAll(network, servers);
        // The time that the strike itself took.
        const strikeMs = monotonicMs() - from;
        for (const client of CLIENTS) {
          const { at, cause } = await program.hears("dead", from, BUDGET_MS + 3000, client);
          expect(how === "cable" ? CUT_CAUSES : ["peer-hung"], client).toContain(cause);
          expect(at - from, client).toBeLessThanOrEqual(
            BUDGET_MS + strikeMs + LATE_MS + graceMs() - CALM_GRACE_MS,
          );
        }
      },
    );
  },
);
