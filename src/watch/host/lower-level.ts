import type { Socket } from "node:net";
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
  const { detectWithinMs, heartbeat, onDead } = settings;
  const notTcp = canHeartbeatDecide(settings) ? whyNotTcp(socket) : null;
  if (notTcp !== null) return heartbeatAlone(detectWithinMs, notTcp);
  const hasHeartbeat = heartbeat !== null;
  if (onDead === "report") return leaveAlone(hasHeartbeat ? detectWithinMs : null, refusal);
  return (
    applyNativeKeepalive(socket, detectWithinMs, hasHeartbeat, refusal) ??
    applyCoreKeepalive(socket, detectWithinMs, refusal)
  );
}

/** The kernel has no evidence of this peer. */
function heartbeatAlone(keptMs: number, why: string): LowerLevel {
  return settingNothing("heartbeat", keptMs, [
    `${why}: the heartbeat decides alone, and says nothing of the host or the path`,
  ]);
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
): LowerLevel {
  return {
    applied: {
      level,
      keepalive: null,
      userTimeoutMs: null,
      rtoMaxMs: null,
      detectWithinMs: { idle: keptMs, inFlight: keptMs, closedWindow: keptMs },
      overdue: false,
      falseAlarmsPerYear: null,
      backstopMs: { idle: null, inFlight: null },
      notes,
    },
    restore: () => {},
  };
}
