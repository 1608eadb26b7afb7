import { type OutageMeans, requirePossible } from "../core/judge/outage-bound.ts";
import { SMALLEST_BUDGET_MS } from "../core/judge/probe-plan.ts";
import { SMALLEST_QUICK_BUDGET_MS } from "../core/judge/quick-terms.ts";
import { hasRtoMax } from "../kernel/options/has-rto-max.ts";
import { keepaliveMeans } from "../kernel/options/keepalive-means.ts";
import { whyNoKernelEvidence } from "../kernel/tcp-info/kernel-evidence.ts";
import { whyNoShortBudgets } from "../kernel/tcp-info/short-budgets.ts";

/** The part of the settings that decides which means a watch has. */
interface Asked {
  readonly heartbeat: object | null;
  readonly detector: object | null;
  readonly expect: "host" | "process";
  readonly onDead: "reset" | "destroy" | "report";
}

/** Returns what this system offers to tell an outage from a death. */
export function meansHere({ heartbeat, expect, onDead }: Asked): OutageMeans {
  const hasHeartbeat = heartbeat !== null && expect === "process";
  if (process.platform === "linux" && whyNoKernelEvidence() === null)
    // A program that only wants a report keeps its own patience, and with it the kernel's backoff.
    return { hasRtoCap: onDead !== "report" && hasRtoMax(), hasHeartbeat };
  return {
    hasRtoCap: false,
    hasHeartbeat,
    keepalive: keepaliveMeans() ?? { fixedCount: null, stepMs: 1000 },
  };
}

/**
 * Returns the smallest budget that these settings can keep here: one below what keepalive keeps
 * takes heartbeats, and the kernel's evidence.
 */
export function smallestBudget({
  heartbeat,
  detector,
}: {
  readonly heartbeat: object | null;
  readonly detector: object | null;
}): { readonly ms: number; readonly because?: string } {
  const least = (because: string) => ({ ms: SMALLEST_BUDGET_MS, because });
  if (heartbeat === null) return least("a heartbeat makes 300 possible");
  if (detector !== null) return least("without a detector 300 is possible");
  const why = whyNoShortBudgets();
  if (why !== null) return least(`300 takes the kernel's evidence: ${why}`);
  return { ms: SMALLEST_QUICK_BUDGET_MS };
}

interface Times {
  readonly detectWithinMs: number;
  readonly surviveOutageMs: number | null;
}

/**
 * Refuses settings whose two times cannot both be kept here. The default is never refused.
 *
 * @throws OutageBoundError
 */
export function requireOutage<Settings extends Asked & Times>(settings: Settings): Settings {
  const { detectWithinMs, surviveOutageMs } = settings;
  if (surviveOutageMs !== null)
    requirePossible(
      { detectWithinMs, surviveOutageMs },
      meansHere(settings),
      smallestBudget(settings).ms,
    );
  return settings;
}
