import { expect, it } from "vitest";
import type { Fault } from "../../src/lab/fault.ts";
import { FAULTS } from "../../src/lab/faults.ts";
import { runFault } from "../../src/lab/run-fault.ts";
import type { CellPlan } from "../../src/lab/track.ts";
import { World } from "../../src/lab/world.ts";
import { describeWith } from "../setup/requires.ts";
import { problemsOf } from "./problems.ts";

const BUDGET_MS = 5000;
/** Connections of one kind; each begins, and is probed, at another phase. */
const CONNECTIONS = 16;

const cells = (["idle", "in-flight"] as const).flatMap((traffic) =>
  Array.from(
    { length: CONNECTIONS },
    (_, i): CellPlan => ({
      mechanism: "watch",
      traffic,
      family: i % 2 === 0 ? 4 : 6,
      tls: i % 4 > 1,
    }),
  ),
);

function fault(id: string): Fault {
  const found = FAULTS.find((one) => one.id === id);
  if (!found) throw new Error(`no fault ${id}`);
  return found;
}

await describeWith(["namespaces"], "the longest outage that a connection survives", () => {
  /** A short one, one that only the cap on backoff makes possible, and nearly the bound of 3350. */
  it.each([500, 3000, 3300])(
    "is %d ms as chosen: it ends none, and a cut is found within 5 s, idle and in flight, plain and TLS",
    { timeout: 120_000 },
    async (surviveOutageMs) => {
      await using world = await World.open();
      const run = { cells, budgetMs: BUDGET_MS, surviveOutageMs, isQuick: false };
      const [survived, cut] = await Promise.all(
        [fault("outage-2s"), fault("cable-pulled")].map((what) =>
          runFault(world, { ...run, fault: what, observeMs: 2 * BUDGET_MS }),
        ),
      );
      expect(survived?.length).toBe(2 * CONNECTIONS);
      expect(problemsOf(survived ?? [])).toEqual([]);
      expect(problemsOf(cut ?? [])).toEqual([]);
      const foundMs = (cut ?? []).map(({ detectedMs }) => detectedMs ?? Number.NaN);
      foundMs.sort((a, b) => a - b);
      console.log(
        `${surviveOutageMs} ms survived: ${foundMs.length} cuts found after ${foundMs[0]} to ${foundMs.at(-1)} ms`,
      );
      // Never before an outage of that length could have been over.
      expect(foundMs[0]).toBeGreaterThan(surviveOutageMs);
    },
  );
});
