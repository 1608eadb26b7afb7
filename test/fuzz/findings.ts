import { isLostAfterOutage } from "./after-outage.ts";
import { chanceOfLosing, findWithinMs, promisedUntil } from "./promise.ts";
import type { Life, Run, Word } from "./run.ts";
import {
  ANSWERS_EVERY_MS,
  eventsOf,
  goneAt,
  LONGEST_MS,
  type World,
  type WorldEvent,
} from "./world.ts";

/** Something that the promise rules out. */
export interface Finding {
  readonly kind:
    | "killed"
    | "killed-after-outage"
    | "missed"
    | "false-certain"
    | "false-loss"
    | "threw";
  readonly on: number;
  readonly atMs: number;
  readonly what: string;
  /** For a live peer called dead: the chance that all packets of its silence were lost. */
  readonly chance: number;
}

/**
 * Returns what in a run breaks the promise; that a live peer was killed after an outage breaks it
 * only if it happens too often (after-outage.ts). `graced`: how late a verdict may be on a real machine,
 * given when it is due.
 */
export function findingsIn(
  world: World,
  run: Run,
  graced: (withinMs: number) => number = (withinMs) => withinMs,
): Finding[] {
  return run.lives.flatMap((life, on) => [
    ...killed(world, life, on),
    ...missed(world, life, on, graced),
    ...falselyCertain(world, life, on),
    ...falselyLossy(world, life, on),
  ]);
}

function killed(world: World, life: Life, on: number): Finding[] {
  const { endedAtMs, isKernels, words } = life;
  if (endedAtMs === null || endedAtMs >= promisedUntil(world, on)) return [];
  const word = words.findLast(({ event }) => event === "dead" || event === "close");
  if (isKernels && (isProgramsOwnPatience(world) || isKernelsOwnEnd(world))) return [];
  const fromMs = silentFrom(life, endedAtMs, word);
  const lostAt = life.lostAt.filter((at) => at >= fromMs && at <= endedAtMs);
  const chance = lostAt.length === 0 ? 0 : chanceOfLosing(world, lostAt);
  const isAccepted = isLostAfterOutage(world, life, fromMs, endedAtMs);
  return [
    {
      kind: isAccepted ? "killed-after-outage" : "killed",
      on,
      atMs: endedAtMs,
      what: `a live peer was ${isKernels ? "ended by the kernel" : "called dead"}: ${saidOf(word)}`,
      chance,
    },
  ];
}

/** Returns when the silence began: of a peer that is heard, the silence about our data. */
function silentFrom({ leftAt }: Life, endedAtMs: number, word: Word | undefined): number {
  if (word?.cause !== "one-way-loss") return endedAtMs - (word?.silentForMs ?? 0);
  return leftAt.filter((at) => at <= endedAtMs).at(-word.attempts) ?? endedAtMs;
}

/** The program's own options would have ended the connection without a watch too. */
function isProgramsOwnPatience({ program }: World): boolean {
  return program.userTimeoutMs > 0 || program.keepalive !== null;
}

/**
 * Behind a closed window the kernel counts what a full queue of this host refuses, watch or not, and
 * ends the connection with the fifteenth.
 */
function isKernelsOwnEnd(world: World): boolean {
  const refusedMs = eventsOf(world, "stuck").reduce((sum, { atMs, toMs }) => sum + toMs - atMs, 0);
  return refusedMs >= KERNELS_REFUSED_MS && eventsOf(world, "unread").length > 0;
}

function missed(
  world: World,
  { atTheEnd, endedAtMs, words }: Life,
  on: number,
  graced: (withinMs: number) => number,
): Finding[] {
  if (!atTheEnd || endedAtMs === null) return [];
  const at = goneAt(world, on);
  const withinMs = findWithinMs(world, on, atTheEnd);
  if (withinMs === null || at + graced(withinMs) >= LONGEST_MS) return [];
  if (endedAtMs <= at + graced(withinMs)) return [];
  const found =
    endedAtMs === Number.POSITIVE_INFINITY
      ? "not found"
      : `found after ${Math.round(endedAtMs - at)} ms`;
  return [
    {
      kind: "missed",
      on,
      atMs: at,
      what: `a dead peer was ${found}, promised within ${Math.round(withinMs)}: ${saidOf(words.at(-1))}`,
      chance: 0,
    },
  ];
}

function falselyCertain(world: World, { words }: Life, on: number): Finding[] {
  const word = words.find((it) => it.certainty === "certain" && !isTrue(world, it));
  if (!word) return [];
  return [{ kind: "false-certain", on, atMs: word.atMs, what: saidOf(word), chance: 0 }];
}

/** Returns whether what a word is certain of may be so, by the description of the world. */
function isTrue(world: World, { cause, atMs }: Word): boolean {
  const during = (kind: "paused" | "stuck"): boolean =>
    eventsOf(world, kind).some(
      (it) => atMs >= it.atMs && atMs <= it.toMs + AFTER_BUDGETS * world.budgetMs,
    );
  if (cause === "healthy") return true; // a dead one is missed, once its time is over
  if (cause === "local-stall") return during("paused");
  if (cause === "local-send-failure") return during("stuck");
  return false;
}

/** On a path that loses nothing, loss was believed: an answer that came late is no loss. */
function falselyLossy(world: World, { words }: Life, on: number): Finding[] {
  // A peer that answers more rarely leaves probes unanswered.
  if (world.loss > 0 || world.answersEveryMs > ANSWERS_EVERY_MS) return [];
  if (world.events.some((it) => LOSING.has(it.is) || isBeyondDecision(world, it))) return [];
  const word = words.find(({ lossRatio }) => lossRatio > 0);
  if (!word) return [];
  const what = `${(100 * word.lossRatio).toFixed(1)} % lost, it said: ${saidOf(word)}`;
  return [{ kind: "false-loss", on, atMs: word.atMs, what, chance: 0 }];
}

/**
 * Whether an answer was late is decided in a moment. Data may take that from it, and so may the next
 * probe of a closed window.
 */
function isBeyondDecision(world: World, event: WorldEvent): boolean {
  if (event.is !== "delay") return false;
  return event.rttMs > LONGEST_DECIDED_MS || eventsOf(world, "unread").length > 0;
}

/** Hardly longer than a satellite's round trip. */
const LONGEST_DECIDED_MS = 1250;

/** What takes packets, or answers, away. */
const LOSING: ReadonlySet<WorldEvent["is"]> = new Set([
  "outage",
  "death",
  "forgotten",
  "reboot",
  "loss",
  "deaf",
  "stuck",
]);

/** Ten refused probes, 500 ms apart; the others may have been lost before. */
const KERNELS_REFUSED_MS = 5000;

/** For so long the past may be spoken of. */
const AFTER_BUDGETS = 2;

function saidOf(word: Word | undefined): string {
  if (!word) return "nothing was said";
  const { event, atMs, state, cause, certainty, silentForMs, attempts } = word;
  return `${event} at ${Math.round(atMs)} ms: ${state}, ${cause}, ${certainty}, silent for ${Math.round(silentForMs ?? 0)} ms, ${attempts} unanswered`;
}
