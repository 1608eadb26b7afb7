import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, expect, it } from "vitest";
import { describeWith } from "./setup/requires.ts";
import { lengthName, longOrShort } from "./setup/run-length.ts";

const BENCH = new URL("../bench/run.mjs", import.meta.url).pathname;
/**
 * Detection takes longer than the budget here, because the paths lose packets before and between
 * the outages. Then more attempts are needed than fit into the budget, rather than that a live peer
 * is killed (docs/when-it-fires.md#the-budget-and-the-rate). The times without such loss are in
 * bench/RESULTS.md#detection-time-under-load.
 */
const LATE_BUDGETS = 3;
const MOST_BUDGETS = 6;
const SETTINGS = { connections: 15_000, processes: 1, soakMs: longOrShort(600_000, 25_000) };

interface Soak {
  readonly budgetMs: number;
  readonly outages: number;
  readonly churned: number;
  readonly suspicions: number;
  readonly falseAlarms: readonly unknown[];
  readonly problems: readonly string[];
  readonly unhandled: number;
  readonly missing: number;
  readonly heapGrowth: number;
  readonly ownTime: { readonly stretches: number; readonly p99Ms: number };
  readonly doomed: number;
  readonly found: number;
  readonly detection: { readonly p99Ms: number; readonly maxMs: number };
  readonly living: number;
  readonly answered: number;
}

const folder = mkdtempSync(join(tmpdir(), "halfopen-soak-"));
afterAll(() => rmSync(folder, { recursive: true }));

await describeWith(
  ["namespaces", "nft", "16000 descriptors"],
  `${SETTINGS.connections} connections that come and go, through loss and outages`,
  () => {
    it(`are watched without a false alarm or a leak, and a thousand cut at once are all found (${lengthName})`, {
      timeout: 900_000,
    }, async () => {
      const settings = Object.entries(SETTINGS).flatMap(([name, value]) => [
        "--set",
        `${name}=${value}`,
      ]);
      const { stdout } = await promisify(execFile)(process.execPath, [
        BENCH,
        "soak",
        ...settings,
        "--out",
        folder,
      ]);
      console.log(stdout);
      const soak = JSON.parse(readFileSync(join(folder, "results/soak.json"), "utf8"))
        .result as Soak;
      expect(soak.outages).toBeGreaterThan(0);
      expect(soak.churned).toBeGreaterThan((90 * SETTINGS.soakMs) / 1000);
      expect(soak.suspicions, "an outage makes every peer suspect").toBeGreaterThan(0);
      expect(soak).toMatchObject({ falseAlarms: [], problems: [], unhandled: 0, missing: 0 });
      // Connections that were silent lately keep the loss of their path. Connections kept after
      // their end would take more.
      expect(soak.heapGrowth).toBeLessThan(1.1);
      expect(soak.ownTime.stretches, "was timed").toBeGreaterThan(0);
      expect(soak.ownTime.p99Ms).toBeLessThan(5);
      expect({ found: soak.found, answered: soak.answered }).toEqual({
        found: soak.doomed,
        answered: soak.living,
      });
      expect(soak.detection.p99Ms).toBeLessThan(LATE_BUDGETS * soak.budgetMs);
      expect(soak.detection.maxMs).toBeLessThan(MOST_BUDGETS * soak.budgetMs);
    });
  },
);
