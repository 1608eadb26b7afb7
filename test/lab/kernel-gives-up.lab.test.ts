import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { monotonicMs } from "../../src/lab/run-fault.ts";
import { World } from "../../src/lab/world.ts";
import { describeWith } from "../setup/requires.ts";
import { startWatchedProgram } from "./watched-program.ts";

/** Time that pulling and plugging take. */
const PLUGGING_MS = 500;
/** The kernel sends again at most as long after an outage as that lasted. */
const HEALED_MS = 12_000;
const WITHIN_MS = 5000;
const LATE_MS = 500;

await describeWith(
  ["namespaces"],
  "on a host whose kernel gives up data early (tcp_retries2)",
  () => {
    it.concurrent.each([1, 3])(
      "data written in an outage of 0.4 budgets is delivered after it, and a dead peer is found in time, with %i retries",
      { timeout: 90_000 },
      async (retries2) => {
        await using world = await World.open();
        const network = await world.network();
        for (const [name, value] of Object.entries({
          tcp_retries2: retries2,
          // Odd values that a watch must not depend on.
          tcp_orphan_retries: 1,
          tcp_keepalive_time: 1,
          tcp_keepalive_probes: 1,
        }))
          await network.run("left", ["sh", "-c", `echo ${value} > /proc/sys/net/ipv4/${name}`]);
        const connections = [
          { id: "60 s, 10 s out", budgetMs: 60_000 },
          { id: "25 s, 10 s out", budgetMs: 25_000 },
        ].map((it) => ({ ...it, traffic: "idle" as const }));
        const subject = await startWatchedProgram(network, connections);
        await sleep(5000);
        await network.pullCable();
        await subject.send({ do: "say" });
        await sleep(10_000 - PLUGGING_MS);
        await network.plugCable();
        await sleep(HEALED_MS);
        const ends = subject.events.filter(
          ({ event }) => event === "dead" || event === "error" || event === "closed",
        );
        expect(ends).toEqual([]);

        await subject.send({
          do: "open",
          connections: [
            {
              id: "dead",
              budgetMs: WITHIN_MS,
              traffic: "idle",
              mechanism: "watch",
              role: "sink",
              tls: false,
              host: network.address("right"),
            },
          ],
        });
        await subject.event("connected", "dead");
        await sleep(4000);
        await network.pullCable();
        const cutAt = monotonicMs();
        await subject.send({ do: "say" });
        const { at } = await subject.event("dead", "dead");
        expect(at - cutAt).toBeLessThan(WITHIN_MS + LATE_MS);
      },
    );
  },
);
