import { chanceOfLosing, isUncapped, OUTAGE_SHARE } from "./promise.ts";
import type { Life } from "./run.ts";
import { eventsOf, goneAt, type World } from "./world.ts";

/**
 * The rate at which live peers are called dead after an outage that is to be survived: where only
 * one transmission leaves between the outage and the end of the budget, the path may lose just that
 * one (docs/when-it-fires.md#what-never-ends-a-connection).
 */

/**
 * Returns how many such ends are expected of a connection: the sum, over its outages, of the chances
 * that the path loses all transmissions after the outage within the budget.
 */
export function expectedAfterOutage(world: World, { leftAt, endedAtMs }: Life, on: number): number {
  const { budgetMs } = world;
  const talksEveryMs = world.connections[on]?.peerWritesEveryMs ?? 0;
  const capMs = isUncapped(world) ? Number.POSITIVE_INFINITY : Math.max(1000, budgetMs / 5);
  let expected = 0;
  const endedAt = Math.min(endedAtMs ?? Number.POSITIVE_INFINITY, goneAt(world, on));
  for (const { atMs, toMs } of eventsOf(world, "outage")) {
    if (toMs >= endedAt) continue;
    const next = leftAt.findIndex((at) => at >= toMs);
    const first = leftAt.findIndex((at) => at >= atMs - world.rttMs);
    if (first < 0 || next <= first) continue;
    const [firstAt = 0, lastAt = 0, nextAt = 0] = [leftAt[first], leftAt[next - 1], leftAt[next]];
    // The kernel waits no longer than all its waits before. Where it did, the peer was heard between.
    if (nextAt - lastAt > lastAt - firstAt + 1000 + 4 * world.rttMs) continue;
    const outlastsFrom = firstAt + OUTAGE_SHARE * budgetMs;
    // The budget begins with what was heard last, but no earlier than the peer is probed.
    const heardFrom = Math.max(leftAt[first - 1] ?? 0, firstAt - LONGEST_IDLE_SHARE * budgetMs);
    const endsAt = Math.max(heardFrom, talksEveryMs > 0 ? atMs - talksEveryMs : 0) + budgetMs;
    // The kernel doubles the time between two transmissions, up to its cap.
    const lost = [nextAt];
    for (let at = nextAt, gapMs = nextAt - lastAt; ; lost.push(at)) {
      gapMs = Math.min(capMs, 2 * gapMs);
      at += gapMs;
      if (at > endsAt && (lost.at(-1) ?? 0) >= outlastsFrom) break;
    }
    expected += chanceOfLosing(world, lost);
  }
  return expected;
}

/** Returns whether a silence from `fromMs` to `toMs` had an outage, and loss took what outlasts it. */
export function isLostAfterOutage(world: World, life: Life, fromMs: number, toMs: number): boolean {
  const hasOutage = eventsOf(world, "outage").some((it) => it.atMs < toMs && it.toMs > fromMs);
  const outlastsFrom = fromMs + OUTAGE_SHARE * world.budgetMs;
  return hasOutage && life.lostAt.some((at) => at >= outlastsFrom && at <= toMs);
}

/** Returns the largest number that is not surprising where `expected` are: a Poisson law. */
export function mostOf(expected: number): number {
  let chance = Math.exp(-expected);
  let sum = chance;
  let n = 0;
  while (1 - sum > SURPRISING) {
    n++;
    chance *= expected / n;
    sum += chance;
  }
  return n;
}

const SURPRISING = 1e-4;

/** What an outage may last, and the attempts after it, leave no more of the budget to wait idle. */
const LONGEST_IDLE_SHARE = 1 - OUTAGE_SHARE;
