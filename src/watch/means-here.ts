import { type OutageMeans, requirePossible } from "../core/judge/outage-bound.ts";
import { hasRtoMax } from "../kernel/options/has-rto-max.ts";
import { keepaliveMeans } from "../kernel/options/keepalive-means.ts";
import { whyNoKernelEvidence } from "../kernel/tcp-info/kernel-evidence.ts";

/** The part of the settings that decides which means a watch has. */
interface Asked {
  readonly heartbeat: object | null;
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
    requirePossible({ detectWithinMs, surviveOutageMs }, meansHere(settings));
  return settings;
}
