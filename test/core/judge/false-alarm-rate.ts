import type { LivenessOptions } from "../../../src/core/judge/liveness-options.ts";
import { seededRandom } from "../../../src/testing/index.ts";
import { chanceOfLosing, type LossyPath, RecordedPath } from "./lossy-paths.ts";
import { type Run, watchModel } from "./watched-model.ts";

/** A path, a budget and a habit of the program whose false alarms are counted. */
export interface Cell {
  readonly budgetMs: number;
  readonly path: LossyPath;
  readonly rttMs: number;
  /** `null`: idle. */
  readonly writeEveryMs: number | null;
  readonly options?: Partial<LivenessOptions>;
}

export interface Counted {
  readonly hours: number;
  readonly deaths: number;
  readonly packetsPerHour: number;
}

/** Counts false alarms by brute force: over `connections`, each watched for `hoursEach`. */
export function countFalseAlarms(
  cell: Cell,
  connections: number,
  hoursEach: number,
  seed: number,
): Counted {
  let [deaths, packets, hours] = [0, 0, 0];
  for (let i = 0; i < connections; i++) {
    const path = new RecordedPath(cell.path, cell.rttMs, seed + 7919 * i);
    const { deadAt, kernelEndedAt, kernel } = watchModel(runOf(cell, path, hoursEach * 3_600_000));
    if (deadAt !== null || kernelEndedAt !== null) deaths++;
    packets += path.packets;
    hours += kernel.now / 3_600_000;
  }
  return { hours, deaths, packetsPerHour: packets / hours };
}

export interface Estimated {
  /** False alarms per connection and hour. */
  readonly perHour: number;
  /** Attempts that a verdict takes: the mean; `fewest`: the least. */
  readonly attempts: number;
  readonly fewest: number;
  /** Time from the cut to the verdict, in ms. */
  readonly detectionMs: { readonly p50: number; readonly max: number };
  readonly samples: number;
}

/**
 * Estimates a rare event by importance sampling. A live peer is called dead when all attempts of
 * one silence are lost. So connections of a random age (between `ages`, ms) are cut right after an
 * answer, and the attempts until the verdict are noted. Each sample counts with the chance that a
 * live path loses just these attempts. Every packet could begin such a silence.
 */
export function estimateFalseAlarms(
  cell: Cell,
  samples: number,
  ages: readonly [number, number],
  seed: number,
): Estimated {
  const next = seededRandom(seed);
  const taken: { chance: number; attempts: number; ms: number; packetsPerHour: number }[] = [];
  for (let i = 0; i < samples; i++) {
    const cutAt = ages[0] + next() * (ages[1] - ages[0]);
    const path = new RecordedPath(cell.path, cell.rttMs, seed + 104_729 * i, cutAt);
    const { deadAt, kernelEndedAt } = watchModel(runOf(cell, path, cutAt + 120_000));
    const endedAt = deadAt ?? kernelEndedAt;
    if (endedAt === null || endedAt < cutAt || !path.wasUp) continue;
    const chance = chanceOfLosing(path.lostAfterCut, cell.path);
    taken.push({
      chance,
      attempts: path.lostAfterCut.length,
      ms: endedAt - cutAt,
      packetsPerHour: (3_600_000 * path.packets) / cutAt,
    });
  }
  const times = taken.map(({ ms }) => ms).sort((a, b) => a - b);
  return {
    perHour: mean(taken.map(({ chance, packetsPerHour }) => chance * packetsPerHour)),
    attempts: mean(taken.map(({ attempts }) => attempts)),
    fewest: Math.min(...taken.map(({ attempts }) => attempts)),
    detectionMs: { p50: times[times.length >> 1] ?? 0, max: times.at(-1) ?? 0 },
    samples: taken.length,
  };
}

function runOf(
  { budgetMs, writeEveryMs, options }: Cell,
  path: RecordedPath,
  untilMs: number,
): Run {
  return {
    budgetMs,
    path,
    untilMs,
    isForgetful: true,
    ...(writeEveryMs === null ? {} : { writeEveryMs }),
    ...(options ? { options } : {}),
  };
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
