import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import type { Network } from "../../src/lab/network.ts";
import { World } from "../../src/lab/world.ts";
import { describeWith } from "../setup/requires.ts";
import { startWatchedProgram } from "./watched-program.ts";

const BUDGET_MS = 5000;
const LATE_MS = 250;
/** Just shorter than an outage that is promised to be survived. */
const ALMOST_TOO_LONG_MS = 0.38 * BUDGET_MS;
const CONNECTIONS = (["idle", "in-flight"] as const).map((traffic) => ({
  id: traffic,
  traffic,
  budgetMs: BUDGET_MS,
}));

/**
 * The queue of our own interface takes nothing more: the kernel's senders are told so, and try
 * again every 500 ms.
 */
async function fillQueue(network: Network): Promise<() => Promise<unknown>> {
  const queue = (action: string) => ["tc", "qdisc", action, "dev", "eth0", "root"];
  await network.run("left", [...queue("add"), "pfifo", "limit", "0"]);
  return () => network.run("left", queue("del"));
}

await describeWith(
  ["namespaces", "tc"],
  "what never leaves this host is no question to the peer",
  () => {
    it.concurrent("a queue that stays full is found within the budget, and named", {
      timeout: 40_000,
    }, async () => {
      await using world = await World.open();
      const network = await world.network();
      const subject = await startWatchedProgram(network, CONNECTIONS);
      await sleep(1500);
      const fullAt = performance.now();
      await fillQueue(network);
      for (const { id } of CONNECTIONS) {
        const { diagnosis } = await subject.event("dead", id);
        const foundAfterMs = performance.now() - fullAt;
        expect(diagnosis, id).toMatchObject({ cause: "local-send-failure", certainty: "certain" });
        expect(foundAfterMs, `${id}: ${diagnosis.why}`).toBeLessThanOrEqual(BUDGET_MS + LATE_MS);
        console.log(`${id}: ${Math.round(foundAfterMs)} ms; ${diagnosis.why}`);
      }
    });

    it.concurrent("an outage, and behind it a queue that is full for as long, end no connection", {
      timeout: 40_000,
    }, async () => {
      await using world = await World.open();
      const network = await world.network();
      const subject = await startWatchedProgram(network, CONNECTIONS);
      await sleep(4000);
      for (let i = 0; i < 2; i++) {
        await network.pullCable();
        await sleep(ALMOST_TOO_LONG_MS);
        const empty = await fillQueue(network);
        await network.plugCable();
        await sleep(ALMOST_TOO_LONG_MS);
        await empty();
        await sleep(BUDGET_MS + 700 * i); // in another phase the second time
      }
      expect(subject.events.filter(({ event }) => event === "dead")).toEqual([]);
      // It was no easy time: both were suspected.
      for (const { id } of CONNECTIONS)
        expect(subject.events.some((it) => it.event === "suspect" && it.id === id)).toBe(true);
    });
  },
);
