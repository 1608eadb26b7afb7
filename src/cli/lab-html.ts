import { constants } from "node:fs";
import { access, stat, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { detectorCurves } from "../lab/detector-curves.ts";
import { labPage } from "../lab/html/lab-page.ts";
import type { LabReport } from "../lab/report.ts";
import { SCENARIOS } from "../lab/scenario.ts";
import { UsageError } from "./command.ts";

/** Refuses a file that cannot be written, before the lab runs for a minute. @throws UsageError */
export async function checkWritable(path: string): Promise<void> {
  if (path === "") throw new UsageError("--html takes the name of the file to write");

  const found = await stat(path).catch(() => null);
  if (found?.isDirectory())
    throw new UsageError(`--html takes the name of a file, but ${path} is a folder`);
  try {
    await access(found ? path : dirname(path), constants.W_OK);
  } catch (error) {
    throw new UsageError(`--html cannot write ${path}: ${(error as Error).message}`);
  }
}

/**
 * Effort of the simulation: enough for rates down to a false alarm in ten minutes, in a few
 * seconds of work. bench/detectors goes further.
 */
const EFFORT = { heartbeats: 50_000, steps: 11, seed: 1 };

export async function writeLabPage(path: string, report: LabReport): Promise<void> {
  const simulated = SCENARIOS.map((scenario) => ({
    scenario,
    curves: detectorCurves(scenario, EFFORT),
  }));
  await writeFile(path, labPage(report, simulated));
}
