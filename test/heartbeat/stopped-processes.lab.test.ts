import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { World } from "../../src/lab/world.ts";
import { graceMs } from "../setup/grace.ts";
import { describeWith } from "../setup/requires.ts";
import { CLIENTS, ClientProcess, monotonicMs } from "./client-process.mjs";
import { Folder, SERVERS, startServers, stopAll } from "./servers.mjs";

const BUDGET_MS = 5000;
const AUTO = new URL("../../dist/auto/index.js", import.meta.url).pathname;
const BLOCKS = ["timer", "immediate", "fs"] as const;
const NAMES = CLIENTS.map(({ client }) => client);
/**
 * A PING behind a command that blocks on purpose is answered after the command, so this client gets
 * no heartbeat.
 */
const NEVER_ASKED = "ioredis-blocked";

/** Returns the events that must not come while every peer lives. */
function harm({ said }: ClientProcess): unknown[] {
  return said.filter(({ event }) => event === "dead" || event === "lost" || event === "failed");
}

const needs = Object.values(SERVERS).map(({ needs }) => needs);
await describeWith(["root", "namespaces", ...needs], "every client at once", () => {
  it("survives a stall of its own in any phase of the event loop, and finds a hung server only by heartbeats", {
    timeout: 150_000,
  }, async () => {
    using folder = new Folder();
    await using world = await World.open();
    const network = await world.network();
    const servers = await startServers(network, folder.path);
    const start = (
      options: Omit<Parameters<typeof ClientProcess.start>[2], "budgetMs">,
    ): Promise<ClientProcess> =>
      ClientProcess.start(network, NAMES, { budgetMs: BUDGET_MS, ...options });
    const watched: ClientProcess[] = [];
    for (const _ of BLOCKS) watched.push(await start({ mode: "watched" }));
    const hostOnly = await start({ mode: "host" });
    const env = { HALFOPEN_DETECT_WITHIN: `${BUDGET_MS}ms` };
    const plain = await start({ mode: "alone", node: ["--import", AUTO], env });

    await Promise.all(
      watched.map(async ({ process }, index) => {
        await process.write("request");
        await process.write(`block ${BLOCKS[index]} ${3 * BUDGET_MS}`);
      }),
    );
    await Promise.all(watched.map((program) => program.hears("unblocked", 0, 4 * BUDGET_MS)));
    await sleep(3000);
    for (const [index, program] of watched.entries())
      expect(harm(program), `blocked in ${BLOCKS[index]}`).toEqual([]);

    await stopAll(network, servers);
    const stoppedAt = monotonicMs();
    for (const program of watched)
      for (const client of NAMES.filter((name) => name !== NEVER_ASKED)) {
        const dead = await program.hears("dead", stoppedAt, BUDGET_MS + 3000, client);
        expect(dead.cause, client).toBe("peer-hung");
        expect(dead.at - stoppedAt, `${client}: stopped server`).toBeLessThanOrEqual(
          BUDGET_MS + graceMs(),
        );
      }
    await sleep(1000);
    for (const program of watched)
      expect(
        harm(program).filter((one) => (one as { client: string }).client === NEVER_ASKED),
      ).toEqual([]);
    // The servers' hosts live: a watch of hosts only, and one without heartbeats, end no connection
    for (const client of NAMES.filter((name) => name !== NEVER_ASKED))
      expect((await hostOnly.hears("suspect", stoppedAt, 0.1, client)).cause, client).toBe(
        "peer-hung",
      );
    for (const program of [hostOnly, plain]) {
      expect(harm(program)).toEqual([]);
      expect(program.process.errors).toEqual([]);
    }

    // Both find a dead host
    const cutAt = monotonicMs();
    await network.pullCable();
    for (const program of [hostOnly, plain])
      for (const client of NAMES) {
        const lost = await program.hears("lost", cutAt, BUDGET_MS + 3000, client);
        expect(lost.at - cutAt, `${client}: a pulled cable`).toBeLessThanOrEqual(
          BUDGET_MS + graceMs(),
        );
      }
  });
});
