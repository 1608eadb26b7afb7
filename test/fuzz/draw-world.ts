import { seededRandom } from "../../src/testing/seeded-random.ts";
import {
  ANSWERS_EVERY_MS,
  type ProgramOptions,
  type Talk,
  type World,
  type WorldEvent,
} from "./world.ts";

/** Draws the world of a seed. `isReal`: one that real namespaces can play, within half a minute. */
export function drawWorld(seed: number, isReal = false): World {
  return new Draw(seed, isReal).world();
}

const BUDGETS = [2500, 3000, 3500, 5000, 5000, 8000, 10_000, 20_000];
const REAL_BUDGETS = [2500, 2500, 3000, 3500, 5000];
const ROUND_TRIPS = [0.1, 1, 1, 10, 40, 100, 250, 600];
/**
 * Shares lost each way. The last one loses 5 % of the round trips: at more than that the accepted
 * rate shows in a million worlds (docs/when-it-fires.md#the-budget-and-the-rate).
 */
const LOSSES = [0.0005, 0.005, 0.01, 0.025];
/** The world begins with so many quiet or talkative seconds at least. */
const CALM_MS = 3000;

class Draw {
  readonly #seed: number;
  readonly #isReal: boolean;
  readonly #next: () => number;

  constructor(seed: number, isReal: boolean) {
    this.#seed = seed;
    this.#isReal = isReal;
    this.#next = seededRandom(seed);
    // The first numbers of neighbouring seeds are alike.
    for (let i = 0; i < 3; i++) this.#next();
  }

  world(): World {
    const budgetMs = this.#one(this.#isReal ? REAL_BUDGETS : BUDGETS);
    const count = this.#chance(0.25) ? 2 + this.#whole(0, 1) : 1;
    const connections = Array.from({ length: count }, () => this.#talk());
    const rttMs = this.#one(ROUND_TRIPS);
    const { events, untilMs } = this.#events(budgetMs, count, rttMs);
    return {
      budgetMs,
      hasRtoCap: this.#isReal || this.#chance(0.6),
      onDead: this.#chance(0.85) ? "reset" : "report",
      rttMs,
      loss: this.#chance(0.3) ? this.#one(LOSSES) : 0,
      answersEveryMs: this.#chance(0.85)
        ? ANSWERS_EVERY_MS
        : this.#one([0, 1000, 2000, 3000, 6000]),
      connections,
      program: this.#program(),
      events,
      forMs: untilMs,
      seed: this.#seed,
    };
  }

  #talk(): Talk {
    const silent = { writeEveryMs: 0, isAnswered: false, peerWritesEveryMs: 0 };
    const everyMs = this.#one([30, 100, 300, 1000, 2000, 5000]) + this.#whole(0, 40);
    return this.#one<() => Talk>([
      () => silent,
      () => silent,
      () => ({ ...silent, writeEveryMs: everyMs }),
      () => ({ ...silent, writeEveryMs: everyMs, isAnswered: true }),
      () => ({ ...silent, peerWritesEveryMs: everyMs }),
      () => ({ ...silent, writeEveryMs: 5 * everyMs, peerWritesEveryMs: everyMs }),
    ])();
  }

  #program(): ProgramOptions {
    const keepalive = this.#chance(0.25)
      ? {
          idleS: this.#one([1, 5, 60]),
          intervalS: this.#one([1, 10, 75]),
          count: this.#one([3, 9]),
        }
      : null;
    return { keepalive, userTimeoutMs: this.#chance(0.1) ? this.#one([5000, 30_000]) : 0 };
  }

  /** Faults at once, or one after the other; then, in half of the worlds, the end of a peer. */
  #events(
    budgetMs: number,
    connections: number,
    rttMs: number,
  ): { events: WorldEvent[]; untilMs: number } {
    const events: WorldEvent[] = [];
    if (this.#chance(0.08)) events.push({ is: "deaf", atMs: 0, toMs: FOR_EVER });
    let atMs =
      this.#whole(0, 2) === 0 ? this.#whole(50, CALM_MS) : CALM_MS + this.#whole(0, 2 * budgetMs);
    for (let i = this.#whole(0, this.#isReal ? 3 : 5); i > 0; i--) {
      const event = this.#fault(atMs, budgetMs, connections, rttMs);
      events.push(event);
      const endsAt = endOf(event);
      // At once with the last one, hard behind it, or after a rest.
      atMs = this.#one([
        () => this.#whole(atMs, Math.max(atMs, endsAt)),
        () => endsAt + this.#whole(0, 1500),
        () => endsAt + this.#whole(0, 2 * budgetMs),
      ])();
    }
    const lastMs = Math.max(atMs, ...events.map(endOf));
    if (this.#chance(0.5))
      events.push(
        this.#end(this.#whole(Math.min(CALM_MS, atMs), lastMs + 2000), connections, budgetMs),
      );
    return { events, untilMs: lastMs + Math.round(1.5 * budgetMs) };
  }

  #end(atMs: number, connections: number, budgetMs: number): WorldEvent {
    return this.#one<() => WorldEvent>([
      () => ({ is: "death", atMs }),
      () => ({ is: "death", atMs }),
      () => ({ is: "forgotten", atMs, on: this.#whole(0, connections - 1) }),
      () =>
        this.#isReal
          ? { is: "death", atMs }
          : { is: "reboot", atMs, toMs: atMs + this.#whole(0, budgetMs) },
    ])();
  }

  #fault(atMs: number, budgetMs: number, connections: number, rttMs: number): WorldEvent {
    const on = this.#whole(0, connections - 1);
    const lateMs = this.#isReal ? REAL_LATE_MS : 0;
    const survivedMs = Math.max(1, Math.floor(OUTAGE_SHARE * budgetMs - 2 * rttMs - lateMs));
    const upTo = (longestMs: number) => atMs + this.#whole(1, longestMs / (this.#isReal ? 2 : 1));
    return this.#one<() => WorldEvent>([
      // As long as is survived, just about, or any shorter time.
      () => ({
        is: "outage",
        atMs,
        toMs: atMs + (this.#chance(0.5) ? survivedMs : this.#whole(1, survivedMs)),
        way: this.#one(["both", "both", "out", "back"] as const),
      }),
      () => ({
        is: "outage",
        atMs,
        toMs: atMs + this.#whole(1, survivedMs),
        way: this.#one(["both", "out", "back"] as const),
      }),
      () => ({
        is: "delay",
        atMs,
        toMs: this.#chance(0.4) ? FOR_EVER : upTo(4 * budgetMs),
        rttMs: this.#delayMs(budgetMs),
      }),
      () => ({ is: "loss", atMs, toMs: upTo(4 * budgetMs), loss: this.#one([0, ...LOSSES]) }),
      () => ({ is: "unread", atMs, toMs: upTo(3 * budgetMs), on }),
      () => ({ is: "hung", atMs, toMs: upTo(3 * budgetMs) }),
      () => ({ is: "paused", atMs, toMs: upTo(this.#chance(0.5) ? budgetMs / 2 : 3 * budgetMs) }),
      () =>
        this.#isReal
          ? { is: "write", atMs, on }
          : { is: "stuck", atMs, toMs: atMs + this.#whole(1, survivedMs) },
      () => ({ is: "write", atMs, on }),
      () => ({ is: "keepalive", atMs, on, idleS: this.#one([0, 0, 1, 10, 60]) }),
    ])();
  }

  /** A step within what an outage may take, at most. */
  #delayMs(budgetMs: number): number {
    return this.#whole(1, Math.floor((this.#chance(0.5) ? 0.1 : OUTAGE_SHARE) * budgetMs));
  }

  #chance(share: number): boolean {
    return this.#next() < share;
  }

  #whole(from: number, to: number): number {
    return Math.floor(from + this.#next() * (Math.max(from, to) + 1 - from));
  }

  #one<Value>(values: readonly Value[]): Value {
    return values[Math.floor(this.#next() * values.length)] as Value;
  }
}

/** Returns when an event is over; one that never is, when it begins. */
function endOf(event: WorldEvent): number {
  return "toMs" in event && event.toMs < FOR_EVER ? event.toMs : event.atMs;
}

/** Later than any world lasts. */
export const FOR_EVER = 1e9;
/** In real worlds an outage begins and ends late by up to this. */
const REAL_LATE_MS = 100;
/** An outage of this share of the budget is survived (docs/when-it-fires.md). */
const OUTAGE_SHARE = 0.4;
