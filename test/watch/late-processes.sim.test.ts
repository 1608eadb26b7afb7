import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { WatchOptions } from "../../src/watch/options.ts";
import { heartbeatOver, modelledPort, VirtualProcess } from "./virtual-process.ts";

vi.mock("../../src/kernel/port/open-port.ts", () => modelledPort);

let virtual: VirtualProcess;
beforeAll(async () => {
  virtual = await VirtualProcess.start();
});
afterAll(() => virtual.end());

const BUDGET_MS = 5000;
const CALM_MS = 60_000;
/** By which a verdict may be later than its deadline: a check. */
const LATE_MS = 350;

interface Peer {
  isUp(at: number): boolean;
  /** How long its process takes for the answer to what arrives now; `null`: for ever. */
  answersIn(at: number): number | null;
}

/**
 * Watches a connection whose heartbeats are written to its kernel, and answered by the peer's
 * process once they have arrived. Returns the events after the calm, by their instant.
 */
async function eventsOf(peer: Peer, options: WatchOptions = {}): Promise<[string, number][]> {
  const connected = virtual.connect({ rttMs: 1, isUp: peer.isUp });
  const { socket, kernel, from } = connected;
  const at = (): number => performance.now() - from;
  const heartbeat = heartbeatOver(kernel, () => peer.answersIn(at()));
  const events: [string, number][] = [];
  const w = virtual.watch(socket, { detectWithinMs: BUDGET_MS, heartbeat, ...options });
  for (const event of ["suspect", "alive", "dead"] as const)
    w.on(event, ({ cause }) => {
      if (at() > CALM_MS) events.push([event === "dead" ? `dead: ${cause}` : event, at()]);
    });
  await virtual.runTo(connected, CALM_MS + 5 * BUDGET_MS);
  w.close();
  return events;
}

function deathIn(events: [string, number][]): number {
  expect(events.at(-1)?.[0]).toBe("dead: peer-hung");
  return events.at(-1)?.[1] ?? Number.NaN;
}

const always = (): boolean => true;
/** One packet in ten is lost, until the calm is over. */
function lossyUntilThen(): (at: number) => boolean {
  let sent = 0;
  return (at) => at > CALM_MS || sent++ % 10 !== 0;
}

describe("a process that stops answering", () => {
  it("is dead at the budget where the path works", async () => {
    const events = await eventsOf({
      isUp: always,
      answersIn: (at) => (at < CALM_MS ? 1 : null),
    });
    // It was heard within 0.4 budgets before
    const death = deathIn(events);
    expect(death).toBeLessThan(CALM_MS + BUDGET_MS + LATE_MS);
    expect(death).toBeGreaterThan(CALM_MS + 0.5 * BUDGET_MS);
  });

  it("is suspect at the budget, and dead one later, where the path loses again and again", async () => {
    const answersIn = (at: number): number | null => (at < CALM_MS ? 1 : null);
    const events = await eventsOf({ isUp: lossyUntilThen(), answersIn });
    const [, suspectAt] = events.find(([event]) => event === "suspect") ?? [];
    expect(suspectAt).toBeLessThan(CALM_MS + BUDGET_MS + LATE_MS);
    const death = deathIn(events);
    expect(death).toBeGreaterThan(CALM_MS + 1.5 * BUDGET_MS);
    expect(death).toBeLessThan(CALM_MS + 2 * BUDGET_MS + LATE_MS);
  });

  it("is dead at the budget on any path with atDeadline 'end'", async () => {
    const answersIn = (at: number): number | null => (at < CALM_MS ? 1 : null);
    const events = await eventsOf({ isUp: lossyUntilThen(), answersIn }, { atDeadline: "end" });
    expect(deathIn(events)).toBeLessThan(CALM_MS + BUDGET_MS + LATE_MS);
  });
});

describe("a process that answers", () => {
  it("is never hung because its answer was lost and comes when its kernel repeats it", async () => {
    const late = { isLate: true };
    const answersIn = (at: number): number => {
      if (at < CALM_MS || !late.isLate) return 1;
      late.isLate = false;
      return 1.2 * BUDGET_MS;
    };
    const events = await eventsOf({ isUp: lossyUntilThen(), answersIn });
    expect(events.map(([event]) => event)).toEqual(["suspect", "alive"]);
  });

  it("is never hung because an outage kept the heartbeat from it", async () => {
    const isUp = (at: number): boolean => at < CALM_MS || at > CALM_MS + 0.4 * BUDGET_MS;
    const answersIn = (at: number): number => (at < CALM_MS ? 1 : 0.35 * BUDGET_MS);
    for (const budgets of [0, 0.1, 0.2, 0.3]) {
      // The heartbeat leaves at another instant of the outage each time
      const events = await eventsOf({
        isUp: (at) => isUp(at + budgets * BUDGET_MS),
        answersIn,
      });
      expect(events.filter(([event]) => event.startsWith("dead"))).toEqual([]);
    }
  });
});
