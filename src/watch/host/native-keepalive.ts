import type { Socket } from "node:net";
import { detectionOf, keepaliveAlone, survivedBy } from "../../core/judge/keepalive-alone.ts";
import type { AppliedKeepalive } from "../../kernel/options/applied-keepalive.ts";
import { getKeepalive, setKeepalive } from "../../kernel/options/keepalive.ts";
import { keepaliveMeans } from "../../kernel/options/keepalive-means.ts";
import { whyNoSocketPort } from "../../kernel/port/open-socket-port.ts";
import { whyNoKernelEvidence } from "../../kernel/tcp-info/kernel-evidence.ts";
import type { Applied, LowerLevel } from "../applied.ts";

/**
 * Sets the OS's keepalive exactly, on systems that report no age of the last answer (Windows,
 * macOS, FreeBSD, qemu-user). The keepalive gives the verdict on an idle connection, a heartbeat
 * the one in flight. Returns `null` if the OS has no such options or refuses them.
 */
export function applyNativeKeepalive(
  socket: Socket,
  asked: Asked,
  refusal?: string,
): LowerLevel | null {
  const means = keepaliveMeans();
  if (!means) return null;
  const before = whatWas(socket);
  try {
    const { detectWithinMs, surviveOutageMs } = asked;
    const timers = keepaliveAlone(detectWithinMs, means, surviveOutageMs ?? undefined);
    const keepalive = setKeepalive(socket, timers);
    return {
      applied: describe(keepalive, asked, refusal),
      restore: () => restore(socket, before),
    };
  } catch {
    // Closed meanwhile, refused, or not TCP underneath: Node's own keepalive is what is left.
    restore(socket, before);
    return null;
  }
}

interface Asked {
  readonly detectWithinMs: number;
  readonly surviveOutageMs: number | null;
  readonly hasHeartbeat: boolean;
}

function describe(
  keepalive: AppliedKeepalive,
  { detectWithinMs: budgetMs, hasHeartbeat }: Asked,
  refusal?: string,
): Applied {
  const { idleMs, intervalMs, count } = keepalive;
  const worstMs = detectionOf(keepalive);
  const notes = [
    `${refusal ?? whyNoEvidence()}: the system's own keepalive ends an idle connection whose peer is gone`,
  ];
  if (!hasHeartbeat)
    notes.push(
      "with data in flight the system's own patience counts; pass a heartbeat to bound it",
    );
  if (worstMs > budgetMs)
    notes.push(
      `this system's keepalive finds an idle dead peer after ${worstMs} ms, not ${budgetMs}${hasHeartbeat ? "; the heartbeat keeps the budget" : "; pass a heartbeat to keep the budget"}`,
    );
  const kept = hasHeartbeat ? budgetMs : null;
  return {
    level: "keepalive",
    keepalive: { idleMs, intervalMs, count },
    userTimeoutMs: null,
    rtoMaxMs: null,
    detectWithinMs: {
      idle: kept ?? Math.max(worstMs, budgetMs),
      inFlight: kept,
      closedWindow: kept,
    },
    surviveOutageMs: survivedBy(keepalive),
    overdue: kept === null && worstMs > budgetMs,
    falseAlarmsPerYear: null,
    backstopMs: { idle: worstMs, inFlight: null },
    notes,
  };
}

/** Returns why the system's evidence is not used, in words. */
export function whyNoEvidence(): string {
  if (process.platform === "linux") return whyNoKernelEvidence() ?? "no kernel evidence";
  return whyNoSocketPort() ?? `${process.platform} reports no age of the last answer`;
}

/**
 * Returns the program's keepalive; `null` on a Windows that does not report it. Keepalive off is
 * what every socket starts with.
 */
function whatWas(socket: Socket): AppliedKeepalive | null {
  try {
    return getKeepalive(socket);
  } catch {
    return null;
  }
}

function restore(socket: Socket, before: AppliedKeepalive | null): void {
  try {
    if (before) setKeepalive(socket, before);
    if (!before?.enabled) setKeepalive(socket, false);
  } catch {
    // The socket closed meanwhile: there is nothing left to restore.
  }
}
