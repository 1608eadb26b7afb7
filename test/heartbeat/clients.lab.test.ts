import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import type { Network } from "../../src/lab/network.ts";
import { World } from "../../src/lab/world.ts";
import { graceMs } from "../setup/grace.ts";
import { describeWith } from "../setup/requires.ts";
import { CLIENTS, ClientProcess, CUT_CAUSES, monotonicMs } from "./client-process.mjs";
import { Folder, listening, SERVERS } from "./servers.mjs";

const BUDGET_MS = 5000;

/** Both connections of one client: idle, and with a request in flight when the cable is pulled. */
async function pullCable(
  network: Network,
  { client, reconnects, keepsRequests }: (typeof CLIENTS)[number],
): Promise<void> {
  const [idle, busy] = await Promise.all([
    ClientProcess.start(network, [client], { budgetMs: BUDGET_MS }),
    ClientProcess.start(network, [client], { budgetMs: BUDGET_MS }),
  ]);
  await sleep(4000);
  const cutAt = monotonicMs();
  await network.pullCable();
  await busy.process.write("request");
  for (const program of [idle, busy]) {
    const dead = await program.hears("dead", cutAt, BUDGET_MS + 3000);
    expect(dead.at - cutAt, `${client}: verdict`).toBeLessThanOrEqual(BUDGET_MS + graceMs());
    expect(CUT_CAUSES).toContain(dead.cause);
  }
  if (!keepsRequests) {
    const failed = await busy.hears("failed", cutAt, BUDGET_MS + 3000);
    expect(failed.at - cutAt, `${client}: the request in flight`).toBeLessThanOrEqual(
      BUDGET_MS + graceMs(),
    );
  }
  const lost = await idle.hears("lost", cutAt, BUDGET_MS + 3000);
  expect(lost.at - cutAt, `${client}: its own close`).toBeLessThanOrEqual(BUDGET_MS + graceMs());
  if (!reconnects) return;
  await network.plugCable();
  const back = await idle.hears("back", cutAt, 20_000);
  // The client works again and is watched again: a second cut is found as well
  await sleep(4000);
  const secondCutAt = monotonicMs();
  await network.pullCable();
  const again = await idle.hears("dead", secondCutAt, BUDGET_MS + 3000);
  expect(
    again.at - secondCutAt,
    `${client}: verdict after its reconnect at ${back.at}`,
  ).toBeLessThanOrEqual(BUDGET_MS + graceMs());
}

const needs = [...new Set(CLIENTS.map(({ server }) => SERVERS[server].needs))];
await describeWith(["root", "namespaces", ...needs], "a watched client", () => {
  it.concurrent.each(CLIENTS)(
    "$client loses a dead $server within the budget, and is watched again after a reconnect",
    { timeout: 120_000 },
    async ({ client, server, reconnects, keepsRequests = false }) => {
      using folder = new Folder();
      await using world = await World.open();
      const network = await world.network();
      await SERVERS[server].start(network, folder.path);
      await listening(network, SERVERS[server].port);
      await pullCable(network, { client, server, reconnects, keepsRequests });
    },
  );
});
