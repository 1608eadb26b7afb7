import { givesUpAfterMs } from "../../core/judge/backstop.ts";
import type { Liveness } from "../../core/judge/liveness.ts";
import { defaultOutageMs } from "../../core/judge/probe-plan.ts";
import { UNCAPPED_RTO_MS } from "../../core/judge/retransmission-times.ts";
import { readRetries } from "../../kernel/options/retries.ts";
import type { Applied } from "../applied.ts";
import type { Standing } from "./standing.ts";

/**
 * Returns what a watch got from the kernel, and within what time its judge finds a dead peer on the
 * path as it is believed to be.
 */
export function appliedByKernel(
  { terms, saved, keepalive }: Standing,
  { latestPlan, idleMs: quietMs, routineMs }: Pick<Liveness, "latestPlan" | "idleMs" | "routineMs">,
): Applied {
  const { rtoMaxMs, budgetMs, inFlightUserTimeoutMs, falseAlarmsPerYear, atDeadline } = terms;
  const { idleMs, intervalMs, count } = keepalive;
  const ownPatienceMs = givesUpAfterMs(
    rtoMaxMs ?? saved.rtoMaxMs ?? UNCAPPED_RTO_MS,
    readRetries().tcpRetries2,
  );

  const kept = (ms: number): number =>
    atDeadline === "end" ? budgetMs : Math.max(budgetMs, Math.ceil(ms));
  const { idleWithinMs, inFlightWithinMs, closedWindowWithinMs } = latestPlan;
  // With `onDead: "report"` the standing probe leaves once, then on demand, when it is missed.
  const missedMs = terms.isReport ? routineMs - quietMs : 0;
  const detectWithinMs = {
    idle: kept(idleWithinMs + missedMs),
    inFlight: kept(inFlightWithinMs),
    closedWindow: closedWindowWithinMs === null ? null : kept(closedWindowWithinMs),
  };
  const overdue = Object.values(detectWithinMs).some((ms) => ms !== null && ms > budgetMs);

  const notes = rtoMaxMs === null ? [whyNoCap(terms)] : [];
  const surviveOutageMs = terms.surviveOutageMs ?? defaultOutageMs(budgetMs);
  if (ownPatienceMs < surviveOutageMs) notes.push(whyImpatient(terms, ownPatienceMs));
  if (overdue) notes.push(whyOverdue(budgetMs, detectWithinMs));
  return {
    level: "kernel",
    keepalive: { idleMs, intervalMs, count },
    userTimeoutMs: inFlightUserTimeoutMs,
    rtoMaxMs,
    detectWithinMs,
    surviveOutageMs,
    overdue,
    falseAlarmsPerYear,
    backstopMs: {
      idle: terms.isHasty ? inFlightUserTimeoutMs + intervalMs : idleMs + intervalMs * count,
      inFlight: inFlightUserTimeoutMs || ownPatienceMs,
    },
    notes,
  };
}

function whyNoCap({ isReport, isUncapped }: Standing["terms"]): string {
  if (isReport)
    return 'onDead "report" ends nothing, so the kernel must not either: its own patience stays, and with data in flight, or behind a closed window, a dead peer is found later';
  const why = isUncapped
    ? "the program ended its side, so the cap on backoff is taken off for the last data"
    : "no TCP_RTO_MAX_MS (Linux >= 6.15, and not while data is being repeated)";
  return `${why}: a peer that dies behind a closed window is found after up to fifteen times the time it was blocked, later still on a long or lossy path`;
}

function whyImpatient({ isReport, lastBackoff }: Standing["terms"], patienceMs: number): string {
  const where = isReport
    ? "with data in flight, or behind a closed window,"
    : "behind a closed window";
  return `net.ipv4.tcp_retries2 is ${lastBackoff}: ${where} the kernel itself may end the connection in an outage of ${patienceMs} ms`;
}

function whyOverdue(
  budgetMs: number,
  { idle, inFlight, closedWindow }: Applied["detectWithinMs"],
): string {
  const behindWindow = closedWindow === null ? "" : `, ${closedWindow} ms behind a closed window`;
  return `the attempts that prove death at the accepted false alarms do not fit into ${budgetMs} ms on this path: a dead peer is found within ${idle} ms idle, ${inFlight} ms in flight${behindWindow}; atDeadline: "end" keeps the budget and accepts more false alarms`;
}
