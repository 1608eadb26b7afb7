import type { WireSettings } from "../../src/lab/wire.ts";
import { type Finding, findingsIn as judge } from "./findings.ts";
import type { Run } from "./run.ts";
import { goneAt, lossAt, rttAt, type World, type WorldEvent } from "./world.ts";

export { drawWorld } from "./draw-world.ts";
export { findWithinMs } from "./promise.ts";
export { goneAt };

/** Returns what in a real run breaks the promise, given when our process stood still. */
export function findingsIn(
  world: World,
  run: Run & { readonly stalls: readonly WorldEvent[] },
): Finding[] {
  const stood = run.stalls.map((it) => ({ ...it, atMs: Math.max(0, it.atMs) }));
  const stalled = { ...world, events: [...world.events, ...stood] };
  // A run does not wait for what its stalls delay.
  return judge(stalled, run, graced).filter(
    ({ kind, on }) => kind !== "missed" || stood.length === 0 || isFound(run, on),
  );
}

function isFound({ lives }: Run, on: number): boolean {
  return lives[on]?.endedAtMs !== Number.POSITIVE_INFINITY;
}

/** The kernel's timers are late by up to an eighth, and a busy machine by more. */
export function graced(withinMs: number): number {
  return 1.125 * withinMs + 300;
}

/** Returns when the wire changes. */
export function wireChanges(world: World): number[] {
  const instants = new Set([0]);
  for (const event of world.events) {
    if (!["outage", "delay", "loss", "death"].includes(event.is)) continue;
    instants.add(event.atMs);
    if ("toMs" in event) instants.add(event.toMs);
  }
  return [...instants].sort((a, b) => a - b);
}

/** Returns the wire as it is from `at` on. */
export function wireAt(world: World, at: number): WireSettings {
  const isGone = world.events.some(({ is, atMs }) => is === "death" && at >= atMs);
  const isOut = (way: "out" | "back"): boolean =>
    isGone ||
    world.events.some(
      (it) =>
        it.is === "outage" &&
        at >= it.atMs &&
        at < it.toMs &&
        (it.way === "both" || it.way === way),
    );
  const loss = lossAt(world, at);
  return {
    delayMs: rttAt(world, at) / 2,
    lossOut: isOut("out") ? 1 : loss,
    lossIn: isOut("back") ? 1 : loss,
  };
}
