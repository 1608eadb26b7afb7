import { AsyncLocalStorage } from "node:async_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { type Checked, engine } from "../../src/watch/engine.ts";

const ENTRIES = 400;
const CHECK_COSTS_MS = 0.25;
const PERIOD_MS = 20;

function busy(ms: number): void {
  for (const until = performance.now() + ms; performance.now() < until; );
}

/** A check so costly that all entries together need five times the time there is. */
class Costly implements Checked {
  wheelNext = null;
  wheelPrevious = null;
  wheelSlot = -1;
  wheelTick = 0;
  checks = 0;

  check(now: number): number {
    this.checks++;
    busy(CHECK_COSTS_MS);
    return now + PERIOD_MS;
  }

  fail(error: unknown): void {
    throw error;
  }
}

it("checks in no asynchronous context: that of the first connection is none of the others'", async () => {
  const context = new AsyncLocalStorage<string>();
  const entry = new Costly();
  const seen = new Promise((resolve) => {
    entry.check = () => {
      resolve(context.getStore());
      return Number.POSITIVE_INFINITY;
    };
  });
  context.run("a request of the program's", () => engine.schedule(entry, engine.now() + 1));
  expect(await seen).toBeUndefined();
});

it("an overloaded engine takes turns: no connection starves, and the program keeps its share of the time", async () => {
  const entries = Array.from({ length: ENTRIES }, () => new Costly());
  let loops = 0;
  let isOver = false;
  const program = (): void => {
    loops++;
    busy(1);
    if (!isOver) setImmediate(program);
  };
  for (const entry of entries) engine.schedule(entry, engine.now() + 1);
  program();
  await sleep(2000);
  isOver = true;
  for (const entry of entries) engine.cancel(entry);
  const checks = entries.map((entry) => entry.checks);
  expect(Math.min(...checks)).toBeGreaterThan(2);
  expect(Math.max(...checks) - Math.min(...checks)).toBeLessThanOrEqual(2);
  expect(loops).toBeGreaterThan(300);
});
