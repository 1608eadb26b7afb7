import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import type { Network } from "../../src/lab/network.ts";
import { World } from "../../src/lab/world.ts";
import { graceMs } from "../setup/grace.ts";
import { describeWith } from "../setup/requires.ts";
import { startWatchedProgram } from "./watched-program.ts";

const BUDGET_MS = 5000;
/** Just shorter than the longest outage that must be survived. */
const ALMOST_TOO_LONG_MS = 0.38 * BUDGET_MS;
const CONNECTIONS = (["idle", "in-flight"] as const).map((traffic) => ({
  id: traffic,
  traffic,
  budgetMs: BUDGET_MS,
}));

/**
 * Makes the queue of our own interface refuse every packet. The kernel's senders notice, and try
 * again every 500 ms. Returns a function that empties the queue.
 */
async function fillQueue(network: Network): Promise<() => Promise<unknown>> {
  const queue = (action: string) => ["tc", "qdisc", action, "dev", "eth0", "root"];
  await network.run("left", [...queue("add"), "pfifo", "limit", "0"]);
  return () => network.run("left", queue("del"));
}

await describeWith(["namespaces", "tc"], "an attempt that never leaves this host", () => {
  it.concurrent("ends the connection within the budget while the queue stays full, with local-send-failure", {
    timeout: 40_000,
  }, async () => {
    await using world = await World.open();
    const network = await world.network();
    const subject = await startWatchedProgram(network, CONNECTIONS);
    await sleep(1500);
    const fullAt = performance.now();
    await fillQueue(network);
    for (const { id, traffic } of CONNECTIONS) {
      const { diagnosis } = await subject.event("dead", id);
      const foundAfterMs = performance.now() - fullAt;
      // A refused probe leaves no trace in the kernel's numbers; data does.
      const certainty = traffic === "idle" ? "high" : "certain";
      expect(diagnosis, id).toMatchObject({ cause: "local-send-failure", certainty });
      expect(foundAfterMs, `${id}: ${diagnosis.why}`).toBeLessThanOrEqual(BUDGET_MS + graceMs());
      console.log(`${id}: ${Math.round(foundAfterMs)} ms; ${diagnosis.why}`);
    }
  });

  it.concurrent("ends no connection after an outage and a full queue of the same length behind it", {
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
      await sleep(BUDGET_MS + 700 * i); // another phase in the second round
    }
    expect(subject.events.filter(({ event }) => event === "dead")).toEqual([]);
    // The test is hard enough only if both connections became suspect.
    for (const { id } of CONNECTIONS)
      expect(subject.events.some((it) => it.event === "suspect" && it.id === id)).toBe(true);
  });
});
