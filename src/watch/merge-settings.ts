import { shortestBudgetMs } from "../core/judge/outage-bound.ts";
import { outageOf } from "../core/judge/quick-terms.ts";
import { meansHere, smallestBudget } from "./means-here.ts";
import type { WatchSettings } from "./settings.ts";

/**
 * Merges the settings of two watches of one socket, which share its kernel options: the shorter
 * budget, the longer outage, the longer tolerance and the stronger action hold. Where the budget
 * cannot outlast the outage it is longer: no watch may end what another one wants to survive.
 */
export function merge(a: WatchSettings, b: WatchSettings): WatchSettings {
  const strength = ["report", "destroy", "reset"] as const;
  const heartbeat = a.heartbeat ?? b.heartbeat;
  return withRoom({
    detectWithinMs: Math.min(a.detectWithinMs, b.detectWithinMs),
    surviveOutageMs: longerOutage(a, b),
    zeroWindowToleranceMs: Math.max(a.zeroWindowToleranceMs, b.zeroWindowToleranceMs),
    falseAlarmsPerYear: Math.min(a.falseAlarmsPerYear, b.falseAlarmsPerYear),
    atDeadline: a.atDeadline === "wait" ? "wait" : b.atDeadline,
    heartbeat,
    detector: a.detector ?? b.detector,
    expect: a.expect === "process" || b.expect === "process" ? "process" : "host",
    isAnswerOwed: a.isAnswerOwed || b.isAnswerOwed,
    onDead: strength[Math.max(strength.indexOf(a.onDead), strength.indexOf(b.onDead))] ?? "reset",
    errorAs: a.errorAs ?? b.errorAs,
    onUnheard: a.onUnheard === "warn" ? "warn" : b.onUnheard,
    label: a.label ?? b.label,
  });
}

/** The default is a share of the budget that holds, whichever watch it is of. */
function longerOutage(a: WatchSettings, b: WatchSettings): number | null {
  if (a.surviveOutageMs === null && b.surviveOutageMs === null) return null;
  const shareMs = outageOf(Math.min(a.detectWithinMs, b.detectWithinMs));
  return Math.max(a.surviveOutageMs ?? shareMs, b.surviveOutageMs ?? shareMs);
}

function withRoom(settings: WatchSettings): WatchSettings {
  const { surviveOutageMs } = settings;
  // A detector of one watch takes longer than the other may have asked for.
  const least = smallestBudget(settings).ms;
  const detectWithinMs = Math.max(settings.detectWithinMs, least);
  if (surviveOutageMs === null || surviveOutageMs <= outageOf(detectWithinMs))
    return { ...settings, detectWithinMs };
  const shortestMs = shortestBudgetMs(surviveOutageMs, meansHere(settings), least);
  return { ...settings, detectWithinMs: Math.max(detectWithinMs, shortestMs ?? 0) };
}

/** Returns whether a connection watched with `a` can go on unchanged with `b`. */
export function asksTheSame(a: WatchSettings, b: WatchSettings): boolean {
  return ASKED.every((name) => a[name] === b[name]);
}

/** Settings whose change affects a connection that is already watched. */
const ASKED = [
  "detectWithinMs",
  "surviveOutageMs",
  "heartbeat",
  "detector",
  "isAnswerOwed",
  "zeroWindowToleranceMs",
  "falseAlarmsPerYear",
  "atDeadline",
  "onDead",
] as const;
