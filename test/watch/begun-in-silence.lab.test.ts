import { setTimeout as sleep } from "node:timers/promises";
import { it } from "vitest";
import { World } from "../../src/lab/world.ts";
import { describeWith } from "../setup/requires.ts";

const PROGRAM = [process.execPath, new URL("begun-in-silence.mjs", import.meta.url).pathname];
const BUDGET_MS = 5000;
/** Connections of each of the four kinds. */
const COUNT = 6;
/** Windows close meanwhile, and the kernel's backoff behind them grows. */
const SETTLE_MS = 5000;
/**
 * The same until the connection that is watched from the start, by a budget of a minute, has seen
 * two answers to probes: its checks are up to a second late, so that 5 s are too few in every other
 * run.
 */
const SETTLE_ANSWERED_MS = 10_000;
/** A kernel's timer is late by an eighth; a check and an answer take time too. */
const NEXT_ATTEMPT_LATE = 1.125;
const GRACE_MS = 600;

interface Told {
  readonly kind: string;
  /** The error with which the socket ended. */
  readonly code: string | null;
  /** Counted from the start of the watch. */
  readonly deadAfterMs: number | null;
  readonly why: readonly string[] | null;
  /** When the kernel would send again, counted from the start of the watch. */
  readonly nextAttemptMs: number | null;
  readonly state: string | null;
}

interface Scene {
  readonly outageMs: number;
  /** Time from the start of the watch to the end of the outage. */
  readonly beforeEndMs: number;
  readonly heals: boolean;
  /** How long the connections are observed afterwards. */
  readonly forMs: number;
  readonly settleMs?: number;
}

async function after({
  outageMs,
  beforeEndMs,
  heals,
  forMs,
  settleMs = SETTLE_MS,
}: Scene): Promise<Told[]> {
  await using world = await World.open();
  const network = await world.network();
  const peer = await network.spawn("right", [...PROGRAM, "serve"]);
  await new Promise<void>((resolve) => peer.onLine(() => resolve()));
  const subject = await network.spawn("left", [...PROGRAM, network.address("right"), `${COUNT}`], {
    unprivileged: true,
  });
  const lines: string[] = [];
  subject.onLine((line) => lines.push(line));
  while (lines.length === 0 && subject.errors.length === 0) await sleep(50);
  await sleep(settleMs);
  await network.pullCable();
  await subject.write("cut");
  await sleep(outageMs - beforeEndMs);
  await subject.write(`${BUDGET_MS}`);
  await sleep(beforeEndMs);
  if (heals) await network.plugCable();
  await sleep(forMs);
  await subject.write("tell");
  while (lines.length < 2 && subject.errors.length === 0) await sleep(50);
  if (subject.errors.length > 0) throw new Error(subject.errors.join("\n"));
  return JSON.parse(lines[1] as string) as Told[];
}

await describeWith(["namespaces"], "a watch that begins while nothing gets through", () => {
  it.concurrent.for([
    [8000, 200],
    [14_000, 0],
    [14_000, 1500],
    [20_000, 50],
    [20_000, 1500],
  ])(
    "calls no live peer dead for an outage that is over: %i ms long, the watch begun %i ms before its end",
    { timeout: 120_000 },
    async ([outageMs = 0, beforeEndMs = 0], { expect }) => {
      // The kernel sends again at most as long after the outage as it lasted.
      const told = await after({ outageMs, beforeEndMs, heals: true, forMs: outageMs + 6000 });
      const dead = told.filter(({ deadAfterMs }) => deadAfterMs !== null);
      console.log(
        `${outageMs} ms, begun ${beforeEndMs} ms before the end: ${dead.length} of ${told.length} live peers called dead`,
      );
      expect(dead).toEqual([]);
      expect(told.map(({ state, code }) => `${state} ${code}`)).toEqual(
        told.map(() => "alive null"),
      );
    },
  );

  it.concurrent("finds dead peers within the budget, or once the kernel's next attempt is unanswered too", {
    timeout: 120_000,
  }, async ({ expect }) => {
    const told = await after({
      outageMs: 8000,
      beforeEndMs: 0,
      heals: false,
      forMs: 25_000,
      settleMs: SETTLE_ANSWERED_MS,
    });
    for (const { kind, deadAfterMs, nextAttemptMs, code, state } of told) {
      console.log(
        `${kind}: ${deadAfterMs?.toFixed(0)} ms after the watch began, the kernel's next attempt after ${nextAttemptMs?.toFixed(0)} ms; ${code}`,
      );
      if (kind === "blocked") {
        // Nobody has seen this peer answer a probe. The peers of the other kinds answer a probe
        // while watched.
        expect.soft({ state, deadAfterMs }).toEqual({ state: "suspect", deadAfterMs: null });
        continue;
      }
      const withinMs = Math.max(BUDGET_MS, NEXT_ATTEMPT_LATE * Number(nextAttemptMs)) + GRACE_MS;
      expect.soft(deadAfterMs ?? Number.POSITIVE_INFINITY, kind).toBeLessThanOrEqual(withinMs);
    }
  });
});
