import type { PathLoss } from "../../core/judge/path-loss.ts";
import { attemptsNeededBy, SMALLEST_BUDGET_MS } from "../../core/judge/probe-plan.ts";
import type { Instant } from "../../core/time/instant.ts";
import { ProbeSlots } from "../../core/time/probe-slots.ts";
import { NUDGE_IDLE_MS } from "../../kernel/nudge.ts";
import { engine } from "../engine.ts";
import type { Calm } from "./mode.ts";
import type { Terms } from "./terms.ts";

/**
 * Returns when a watch that began with a reading at `beganAt` checks first. A peer that was heard
 * just before, as that of a new connection, can wait: the first check of a process takes 10 ms of
 * CPU, and would come before the program's first answer. A connection that ends by then needs none.
 */
export function firstCheckAt(beganAt: Instant, heardAgeMs: number): Instant {
  return beganAt + (heardAgeMs < FIRST_CHECK_MS ? FIRST_CHECK_MS : 1);
}

/** Returns whether the `path` has been found better than the probe plan believes it. */
export function isPlanDue(
  { idleMs, attemptsNeeded }: Calm,
  { falseAlarmsPerYear, longestIdleMs }: Terms,
  path: { readonly loss: PathLoss },
): boolean {
  if (idleMs >= longestIdleMs) return false;
  return attemptsNeededBy(path.loss, "idle", falseAlarmsPerYear, idleMs) < attemptsNeeded;
}

const probeSlots = new ProbeSlots();

/**
 * Returns when to check a calm connection again, and after what silence its standing keepalive is
 * to probe until then. If the moment of that probe is crowded, it is sent on demand at a random
 * instant of the second after it becomes possible; `at` is `now` when that instant has come. With
 * `onDead: "report"` the check sends each second probe, so it is not put off.
 */
export function nextCalmCheck(
  now: Instant,
  heardAt: Instant,
  { idleMs, routineMs }: Calm,
  { budgetMs, isReport }: Terms,
): { readonly at: Instant; readonly idleMs: number } {
  if (probeSlots.reserve(heardAt + idleMs, engine.size, idleMs)) {
    const at = heardAt + routineMs;
    return { at: isReport ? at : together(at, budgetMs), idleMs };
  }

  const possibleAt = heardAt + NUDGE_IDLE_MS;
  const standingMs = Math.max(idleMs, 2 * NUDGE_IDLE_MS);
  if (now >= possibleAt) return { at: now, idleMs: standingMs };
  const spreadMs = Math.floor(Math.random() * (standingMs - NUDGE_IDLE_MS));
  return { at: possibleAt + spreadMs, idleMs: standingMs };
}

/**
 * Puts a calm check off to the next common step, so that one waking of the process serves many: a
 * waking costs as much as 40 checks (200 µs on 6.18). No verdict waits for it: probes that outlast
 * an outage leave later, and their clock is the kernel's first probe.
 */
function together(at: Instant, budgetMs: number): Instant {
  const latenessMs = Math.min(
    LARGEST_LATENESS_MS,
    Math.max(SMALLEST_LATENESS_MS, Math.floor((budgetMs - SMALLEST_BUDGET_MS) * LATE_SHARE)),
  );
  return Math.ceil(at / latenessMs) * latenessMs;
}

/** No later than the next reading of data in flight under the smallest budget: schedule.ts. */
const FIRST_CHECK_MS = SMALLEST_BUDGET_MS / 20;

/** Calm checks are late by up to this share of the budget beyond the smallest one. */
const LATE_SHARE = 1 / 8;
const SMALLEST_LATENESS_MS = 80;
const LARGEST_LATENESS_MS = 1000;
