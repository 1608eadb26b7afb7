import { HalfOpenError } from "../errors.ts";
import { LARGEST_BUDGET_MS } from "../judge/probe-plan.ts";
import { SMALLEST_QUICK_BUDGET_MS } from "../judge/quick-terms.ts";
import type { Platform } from "./prediction.ts";
import type { Requirement } from "./requirement.ts";

/** A requirement with all defaults filled in, every value within its range. */
export type Demand = Required<Requirement>;

export const PLATFORMS: readonly Platform[] = ["linux", "darwin", "freebsd", "win32"];

/** Fills in the defaults and checks the ranges. @throws HalfOpenError `ERR_OPTION_RANGE` */
export function demandOf(requirement: Requirement): Demand {
  const demand: Demand = {
    surviveOutageMs: 0,
    rttMs: 1,
    jitterMs: 0,
    loss: 0.01,
    connections: 1,
    falseAlarmsPerYear: 1,
    platform: "linux",
    ...requirement,
  };

  const check = (name: keyof Requirement, smallest: number, largest: number): void => {
    const value = demand[name];
    if (typeof value !== "number" || !(value >= smallest && value <= largest))
      throw new HalfOpenError(
        "ERR_OPTION_RANGE",
        `${name} must be a number from ${smallest} to ${largest}, got ${String(value)}`,
      );
  };
  check("detectWithinMs", SMALLEST_QUICK_BUDGET_MS, LARGEST_BUDGET_MS);
  check("surviveOutageMs", 0, LARGEST_BUDGET_MS);
  check("rttMs", 0, 60_000);
  check("jitterMs", 0, 60_000);
  check("connections", 1, 1e9);
  check("falseAlarmsPerYear", 1e-12, 1e12);

  if (!PLATFORMS.includes(demand.platform))
    throw new HalfOpenError(
      "ERR_OPTION_RANGE",
      `platform must be ${PLATFORMS.join(", ")}, got ${String(demand.platform)}`,
    );
  if (typeof demand.loss === "number" && !(demand.loss >= 0 && demand.loss < 1))
    throw new HalfOpenError(
      "ERR_OPTION_RANGE",
      `loss must be a share from 0 to below 1 (1 % is 0.01), got ${String(demand.loss)}`,
    );

  return demand;
}
