import type { Applied } from "../../src/watch/applied.ts";
import { ANSWERS_EVERY_MS, eventsOf, goneAt, isLossy, lossAt, rttAt, type World } from "./world.ts";

/**
 * The promise of docs/when-it-fires.md for one connection of a world. It knows nothing of the judge.
 */

/** An outage of this share of the budget is survived. */
export const OUTAGE_SHARE = 0.4;
/**
 * Two answered probes at most this far apart, and a round trip, show that the peer answers each:
 * 2250 ms, less what the ages in TCP_INFO wobble between two readings.
 */
const ORDINARY_GAP_MS = 2230;
/** A closed window is probed often enough in this time. */
const PROBED_MS = 4000;
/** A path this short begins as known. On longer ones a closed window is not bounded by a number. */
const SHORT_RTT_MS = 2;
/** Probes of a closed window without a cap are each twice as late; six leave this much later. */
const PROBES_LATER = 63;
/** The kernel by itself ends an idle connection after so many budgets, and 40 probes a second apart. */
const BACKSTOP_BUDGETS = 3;
const BACKSTOP_MS = 40_000;
/** By then it is known that a peer is deaf, and the kernel was made patient. */
const KNOWN_DEAF_AFTER_BUDGETS = 2;
/** By then a quiet peer has answered two probes, the first a second after its data. */
const BELIEVED_AGAIN_MS = 5000;
/** An attempt and the time for its answer. */
const ASKED_AGAIN_MS = 800;
/** Our own timers, and those of the kernel. */
const LATE_MS = 150;

/** Returns until when the promise holds that nobody calls the peer dead. */
export function promisedUntil(world: World, on: number): number {
  const survivedMs = OUTAGE_SHARE * world.budgetMs;
  const tooLong = silences(world)
    .filter(({ fromMs, toMs }) => toMs - fromMs > survivedMs)
    .map(({ fromMs }) => fromMs + survivedMs);
  return Math.min(
    goneAt(world, on),
    ...tooLong,
    ...deafAfterAnswers(world),
    ...deafAfterSteadyData(world),
    ...deafInBackstop(world),
  );
}

interface Span {
  readonly fromMs: number;
  readonly toMs: number;
}

/**
 * Returns the times in which no answer of the peer can arrive. Outages with less time in between
 * than the kernel needs for another attempt are one.
 */
function silences(world: World): Span[] {
  const { budgetMs } = world;
  const single = [
    ...[...eventsOf(world, "outage"), ...eventsOf(world, "stuck")].map(({ atMs, toMs }) => ({
      fromMs: atMs - rttAt(world, atMs),
      toMs: toMs + rttAt(world, toMs),
    })),
    ...eventsOf(world, "delay").map(({ atMs, rttMs }) => ({ fromMs: atMs, toMs: atMs + rttMs })),
  ].sort((a, b) => a.fromMs - b.fromMs);

  const merged: Span[] = [];
  for (const span of single) {
    const last = merged.at(-1);
    const lastMs = last ? last.toMs - last.fromMs : 0;
    const isCapped = !isUncapped(world);
    const gapMs = Math.max(
      1000,
      budgetMs / 5,
      2 * rttAt(world, span.fromMs),
      isCapped ? 0 : 2 * lastMs,
    );
    if (last && span.fromMs - last.toMs <= 1.125 * gapMs + LATE_MS)
      merged[merged.length - 1] = { ...last, toMs: Math.max(last.toMs, span.toMs) };
    else merged.push(span);
  }
  return merged;
}

/** A peer that answered probes and then does not is taken for dead: no promise. */
function deafAfterAnswers(world: World): number[] {
  return eventsOf(world, "deaf")
    .map(({ atMs }) => atMs)
    .filter((atMs) => atMs > 0);
}

/**
 * Steady data leaves no moment to probe the peer. The pause of one that is deaf, or seldom answers,
 * then looks like its end.
 */
function deafAfterSteadyData(world: World): number[] {
  const isAnswering =
    world.answersEveryMs <= ANSWERS_EVERY_MS || isOrdinaryGap(world, world.answersEveryMs);
  if (!isDeaf(world) && isAnswering) return [];
  return [...eventsOf(world, "hung"), ...eventsOf(world, "unread")].map(({ atMs }) => atMs);
}

/**
 * Before it is known that a peer is deaf, the kernel's options are not patient with it: the backstop
 * ends it if this process stands still then.
 */
function deafInBackstop(world: World): number[] {
  if (!isDeaf(world)) return [];
  const longEnoughMs = Math.max(BACKSTOP_BUDGETS * world.budgetMs, BACKSTOP_MS);
  const knownAfterMs = KNOWN_DEAF_AFTER_BUDGETS * world.budgetMs;
  // Too little time between two pauses makes them one.
  const pauses: Span[] = [];
  for (const { atMs: fromMs, toMs } of eventsOf(world, "paused").sort((a, b) => a.atMs - b.atMs)) {
    const last = pauses.at(-1);
    if (last && fromMs - last.toMs < knownAfterMs)
      pauses[pauses.length - 1] = { ...last, toMs: Math.max(last.toMs, toMs) };
    else pauses.push({ fromMs, toMs });
  }
  return pauses
    .filter(({ fromMs, toMs }) => toMs - fromMs >= longEnoughMs - knownAfterMs)
    .map(({ fromMs }) => fromMs);
}

/** What a run knows of a connection at the instant at which its peer is gone. */
export interface AtTheEnd {
  /** What the product says of itself. */
  readonly detectWithinMs: Applied["detectWithinMs"] | null;
  /** The least time between two probes that the peer answered. */
  readonly leastAnswerGapMs: number;
}

/** Returns within what time a peer that is gone has to be found; `null`: nothing is promised. */
export function findWithinMs(world: World, on: number, known: AtTheEnd): number | null {
  const at = goneAt(world, on);
  const { detectWithinMs } = known;
  if (detectWithinMs === null || isBeliefLost(world, on, at)) return null;
  // Where answers were late, some came closer together than they left.
  const leastAnswerGapMs = Math.max(known.leastAnswerGapMs, world.answersEveryMs);
  const { budgetMs, rttMs } = world;
  const talk = world.connections[on];
  const writesMs = talk?.writeEveryMs ?? 0;

  // Without a cap another attempt takes as long as all before it.
  // What is in flight counts as first sent once it is sent again, and a deaf peer lets nothing else.
  if (isUncapped(world) && isDeaf(world) && writesMs > 0) return null;
  const isTroubled =
    isLossy(world) || eventsOf(world, "outage").length + eventsOf(world, "stuck").length > 0;
  const inFlightMs = detectWithinMs.inFlight ?? budgetMs;
  const idleMs = detectWithinMs.idle ?? budgetMs;
  // Data may enter flight in the middle of a silence, and takes over from the probes.
  const sentMs = Math.min(firstWriteMs(world, on, at), idleMs);
  let withinMs = writesMs > 0 || sentMs < idleMs ? Math.max(idleMs, sentMs + inFlightMs) : idleMs;
  withinMs += 4 * rttMs + LATE_MS + underWayMs(world, at);
  // What was lost shortly before the end may cost another attempt.
  if (isTroubled) withinMs += 2 * 1.125 * Math.max(1000, budgetMs / 5);
  const closedMs = closedForMs(world, on, at);
  if (closedMs !== null) {
    // The peer must have been seen to answer window probes, which takes some.
    if (closedMs < PROBED_MS || !isOrdinaryGap(world, leastAnswerGapMs)) return null;
    if (detectWithinMs.closedWindow !== null)
      withinMs = Math.max(withinMs, detectWithinMs.closedWindow + 4 * rttMs + LATE_MS);
    else {
      if (rttMs > SHORT_RTT_MS || isLossy(world)) return null;
      withinMs = Math.max(withinMs, PROBES_LATER * closedMs + 2 * budgetMs);
    }
  } else if (!isOrdinaryGap(world, leastAnswerGapMs)) {
    if (writesMs === 0) {
      // The program's own keepalive, if it has one, goes on in place of ours.
      const hasItsOwn = world.program.keepalive || eventsOf(world, "keepalive").length > 0;
      if (leastAnswerGapMs > budgetMs || hasItsOwn) return null;
      withinMs += 25 * leastAnswerGapMs;
    } else withinMs += writesMs;
  }
  return withinMs + delayedByMs(world, at, withinMs);
}

function isDeaf(world: World): boolean {
  return eventsOf(world, "deaf").length > 0;
}

export function isUncapped({ hasRtoCap, onDead }: World): boolean {
  return !hasRtoCap || onDead === "report";
}

/** Returns whether answers this far apart show that the peer answers each probe. */
export function isOrdinaryGap({ rttMs }: World, gapMs: number): boolean {
  return gapMs <= ORDINARY_GAP_MS + rttMs;
}

/**
 * An outage that is longer than those that are to be survived, and that data ended, the peer's or
 * ours that it acknowledged, takes the belief in its probes: it looks as if it answers them no more,
 * until it answers two. Data that an outage kept comes up to as long after it as it was long, so it
 * seems twice as long.
 */
function isBeliefLost(world: World, on: number, at: number): boolean {
  const { writeEveryMs = 0, peerWritesEveryMs = 0 } = world.connections[on] ?? {};
  const isWritten = eventsOf(world, "write").some((it) => it.on === on && it.atMs <= at);
  if (writeEveryMs + peerWritesEveryMs === 0 && !isWritten) return false;
  return silences(world).some(({ fromMs, ...until }) => {
    const toMs = Math.min(until.toMs, at);
    const isLong = 2 * (toMs - fromMs) > OUTAGE_SHARE * world.budgetMs;
    return isLong && at - toMs < BELIEVED_AGAIN_MS + (toMs - fromMs);
  });
}

/** Returns how long after `at` our program writes first, at the latest; infinite: never. */
function firstWriteMs(world: World, on: number, at: number): number {
  const everyMs = world.connections[on]?.writeEveryMs || Number.POSITIVE_INFINITY;
  // What our program does while it stands still comes when it goes on.
  const writtenAt = (atMs: number): number =>
    eventsOf(world, "paused").find((it) => atMs >= it.atMs && atMs < it.toMs)?.toMs ?? atMs;
  // What an outage kept from the peer is sent again as long after it as it was long.
  const keptUntil = (atMs: number): number =>
    Math.max(
      atMs,
      ...[...eventsOf(world, "outage"), ...eventsOf(world, "stuck")]
        .filter((it) => atMs >= it.atMs && atMs <= it.toMs)
        .map((it) => 2 * it.toMs - it.atMs),
    );
  const once = eventsOf(world, "write")
    .filter((it) => it.on === on && keptUntil(writtenAt(it.atMs)) >= at)
    .map(({ atMs }) => Math.max(0, writtenAt(atMs) - at));
  return Math.min(everyMs, ...once);
}

/** Returns how long the window has been closed at `at`; `null`: it is not, and will not be. */
function closedForMs(world: World, on: number, at: number): number | null {
  // A lost window update is noticed by the next window probe, each twice as late as the one before,
  // and never by a deaf peer.
  const openAgainMs = (it: { readonly atMs: number; readonly toMs: number }): number =>
    isDeaf(world) ? Number.POSITIVE_INFINITY : it.toMs + 2 * (it.toMs - it.atMs);
  const mayBeLost = ({ toMs }: { readonly toMs: number }): boolean =>
    isLossy(world) || eventsOf(world, "outage").some((it) => toMs >= it.atMs && toMs <= it.toMs);
  const closed = eventsOf(world, "unread")
    .map((it) => (mayBeLost(it) ? { ...it, toMs: openAgainMs(it) } : it))
    .filter((it) => it.on === on && it.atMs < at + world.budgetMs);
  const [one] = closed.filter(({ toMs }) => toMs > at - world.budgetMs);
  return one ? Math.max(1000, at - one.atMs) : null;
}

/** Returns how long after `at` answers may arrive that were under way. */
function underWayMs(world: World, at: number): number {
  return Math.max(
    0,
    ...eventsOf(world, "delay")
      .filter(({ atMs }) => atMs < at)
      .map(({ toMs, rttMs }) => Math.min(toMs, at) + rttMs - at),
  );
}

/** Returns how much later the verdict may come for what befell this host, and the path before. */
function delayedByMs(world: World, at: number, withinMs: number): number {
  const isCapped = !isUncapped(world);
  let laterMs = 0;
  for (const { atMs, toMs } of [...eventsOf(world, "paused"), ...eventsOf(world, "stuck")].sort(
    (a, b) => a.atMs - b.atMs,
  )) {
    if (toMs < at || atMs > at + withinMs + laterMs) continue;
    const lostMs = toMs - Math.max(at, atMs);
    // A pause as long as an outage may be begins all anew.
    // Any pause costs an attempt that leaves after it.
    laterMs += lostMs + (toMs - atMs >= OUTAGE_SHARE * world.budgetMs ? withinMs : ASKED_AGAIN_MS);
    // The verdict waits for two more attempts of the kernel. Without a cap each of them takes as long
    // as all before it.
    if (!isCapped) laterMs += 4 * Math.max(0, toMs - at);
  }
  // A standing probe that the program has switched off is missed when its answer is.
  const missedMs = Math.max(200, 3 * world.rttMs + 100) + 2 * Math.max(600, world.budgetMs / 50);
  for (const { atMs } of eventsOf(world, "keepalive"))
    if (atMs < at + withinMs) laterMs += missedMs;
  // Without a cap the kernel's next attempt comes as late as the outage before was long, twice.
  for (const { atMs, toMs } of [...eventsOf(world, "outage"), ...eventsOf(world, "delay")])
    if (atMs < at + withinMs && Math.min(toMs, at + withinMs) > at - world.budgetMs)
      laterMs += 2 * Math.min(toMs - atMs, OUTAGE_SHARE * world.budgetMs);
  return laterMs;
}

/** Returns the chance that packets which left at these instants were all lost, with their answers. */
export function chanceOfLosing(world: World, lostAt: readonly number[]): number {
  return lostAt.reduce((chance, at) => chance * (1 - (1 - lossAt(world, at)) ** 2), 1);
}
