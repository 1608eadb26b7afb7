import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { World } from "../../src/lab/world.ts";
import { describeWith } from "../setup/requires.ts";
import { lengthName, longOrShort } from "../setup/run-length.ts";
import { startWatchedProgram } from "./watched-program.ts";

/** The longest outage that must be survived, in budgets. */
const OUTAGE_SHARE = 0.4;
/** Time that pulling and plugging take. */
const PLUGGING_MS = 500;
/** Time until every connection was probed again, whatever its idle time. */
const HEALED_BUDGETS = 0.7;
/**
 * From a budget of about 165 s on, an outage has more probes than the kernel counts (127). The two
 * runs take 5 and 9 minutes, side by side.
 */
const BUDGETS_MS = longOrShort([165_000, 300_000], [20_000]);
const CONNECTIONS = 40;

await describeWith(["namespaces"], `an outage of ${OUTAGE_SHARE} budgets (${lengthName})`, () => {
  it.concurrent.each(BUDGETS_MS)(
    "ends no connection at a budget of %i ms",
    { timeout: 900_000 },
    async (budgetMs) => {
      await using world = await World.open();
      const network = await world.network();
      // In every phase of the idle time: some connections are probed just before the cable is
      // pulled, some right after.
      const connections = Array.from({ length: CONNECTIONS }, (_, i) => ({
        id: `${i}`,
        traffic: i % 4 === 3 ? ("in-flight" as const) : ("idle" as const),
        budgetMs,
        afterMs: (i * 0.6 * budgetMs) / CONNECTIONS,
      }));
      const subject = await startWatchedProgram(network, connections);
      await sleep(5000);
      await network.pullCable();
      await sleep(OUTAGE_SHARE * budgetMs - PLUGGING_MS);
      await network.plugCable();
      await sleep(HEALED_BUDGETS * budgetMs);
      const ends = subject.events.filter(
        ({ event }) => event === "dead" || event === "error" || event === "closed",
      );
      expect(
        ends.map((it) => `${it.id}: ${it.event}; ${"diagnosis" in it ? it.diagnosis.why : ""}`),
      ).toEqual([]);
      // Most connections became suspect and were refuted.
      const heardAgain = subject.events.filter(({ event }) => event === "alive").length;
      console.log(`${budgetMs} ms: ${heardAgain} suspicions refuted`);
      expect(heardAgain).toBeGreaterThan(CONNECTIONS / 4);
    },
  );
});
