import type { Socket } from "node:net";
import { SMALLEST_BUDGET_MS } from "../../core/judge/probe-plan.ts";
import { processTerms } from "../../core/judge/process-terms.ts";
import { isQuickBudget } from "../../core/judge/quick-terms.ts";
import { keepaliveMeans } from "../../kernel/options/keepalive-means.ts";
import type { Applied, LowerLevel } from "../applied.ts";
import type { WatchSettings } from "../settings.ts";
import { canHeartbeatDecide, whyNotTcp } from "../watchable.ts";
import { applyCoreKeepalive } from "./core-keepalive.ts";
import { applyNativeKeepalive, whyNoEvidence } from "./native-keepalive.ts";

/**
 * Applies the best means below kernel evidence: the OS's keepalive set exactly, else what Node can
 * set of it. `refusal`: why the kernel's evidence is not used on this connection.
 */
export function applyLowerLevel(
  socket: Socket,
  settings: WatchSettings,
  refusal?: string,
): LowerLevel {
  if (isQuickBudget(settings.detectWithinMs)) return withoutEvidence(socket, settings, refusal);
  const { detectWithinMs, surviveOutageMs, heartbeat, onDead } = settings;
  const notTcp = canHeartbeatDecide(settings) ? whyNotTcp(socket) : null;
  if (notTcp !== null) return heartbeatAlone(settings, notTcp);
  const hasHeartbeat = heartbeat !== null;
  if (onDead === "report") return leaveAlone(hasHeartbeat ? detectWithinMs : null, refusal);
  return (
    applyNativeKeepalive(socket, { detectWithinMs, surviveOutageMs, hasHeartbeat }, refusal) ??
    applyCoreKeepalive(socket, detectWithinMs, surviveOutageMs, refusal)
  );
}

/**
 * A budget too short for keepalive takes the kernel's evidence: without, it is the smallest other.
 */
function withoutEvidence(socket: Socket, settings: WatchSettings, refusal?: string): LowerLevel {
  const { detectWithinMs: askedMs } = settings;
  const detectWithinMs = SMALLEST_BUDGET_MS;
  const { applied, restore } = applyLowerLevel(socket, { ...settings, detectWithinMs }, refusal);
  const note = `${askedMs} ms takes the kernel's evidence of the host: the verdict waits until ${detectWithinMs} ms`;
  return { applied: { ...applied, overdue: true, notes: [...applied.notes, note] }, restore };
}

/** The kernel has no evidence of this peer. */
function heartbeatAlone(
  { detectWithinMs, surviveOutageMs }: WatchSettings,
  why: string,
): LowerLevel {
  const { aloneMs } = processTerms(detectWithinMs, surviveOutageMs, false);
  const keptMs = Math.ceil(aloneMs);
  const notes = [`${why}: the heartbeat decides alone, and says nothing of the host or the path`];
  if (keptMs > detectWithinMs)
    notes.push(
      `an answer that an outage of ${surviveOutageMs} ms met may come later than ${detectWithinMs} ms: the verdict waits until ${keptMs} ms`,
    );
  return settingNothing("heartbeat", keptMs, notes, surviveOutageMs);
}

/** Why the evidence of a connection is used no more. */
export const DISPROVED =
  "the kernel's age of what was heard last stood still on this connection while time passed";

/** A keepalive that finds a dead peer would end the connection. */
function leaveAlone(keptMs: number | null, refusal: string | undefined): LowerLevel {
  const notes = [
    `${refusal ?? whyNoEvidence()}: here only the system's keepalive could find a dead peer, and it ends the connection; onDead "report" ends nothing, so it is left as the program has it`,
  ];
  if (keptMs === null) notes.push("pass a heartbeat to find a dead peer");
  return settingNothing(keepaliveMeans() ? "keepalive" : "core", keptMs, notes);
}

/** `keptMs`: within what time a heartbeat finds a dead peer; `null`: there is none. */
function settingNothing(
  level: Applied["level"],
  keptMs: number | null,
  notes: readonly string[],
  surviveOutageMs: number | null = null,
): LowerLevel {
  return {
    applied: {
      level,
      keepalive: null,
      userTimeoutMs: null,
      rtoMaxMs: null,
      detectWithinMs: { idle: keptMs, inFlight: keptMs, closedWindow: keptMs },
      surviveOutageMs,
      overdue: false,
      falseAlarmsPerYear: null,
      backstopMs: { idle: null, inFlight: null },
      notes,
    },
    restore: () => {},
  };
}
