import { createServer } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { OutageBoundError, watch, watchAll, watchServer } from "../../src/index.ts";
import { hasRtoMax } from "../../src/kernel/options/has-rto-max.ts";
import { merge } from "../../src/watch/merge-settings.ts";
import { settingsOf } from "../../src/watch/settings.ts";
import { loopbackPair, type Pair } from "./loopback.ts";

let pair: Pair | null = null;
afterEach(async () => {
  await pair?.dispose();
  pair = null;
});

const heartbeat = (): Promise<void> => Promise.resolve();
/** The bounds of 5 s on this kernel: with a cap on backoff, or without one (Linux < 6.15). */
const LONGEST_MS = hasRtoMax() ? 3350 : 2105;

describe("the longest outage to survive", () => {
  it("is in `applied`, as it was asked for, or 0.4 of the budget", async () => {
    pair = await loopbackPair();
    const { client } = pair;
    for (const surviveOutageMs of [undefined, 0, 200, LONGEST_MS]) {
      const w = watch(client, { detectWithinMs: 5000, surviveOutageMs });
      expect(w.applied?.surviveOutageMs).toBe(surviveOutageMs ?? 2000);
      w.close();
    }
  });

  it("leaves what is promised in time: a longer outage within its bound is not overdue", async () => {
    pair = await loopbackPair();
    const w = watch(pair.client, { detectWithinMs: 10_000, surviveOutageMs: 4400 });
    expect(w.applied?.detectWithinMs.idle).toBe(10_000);
    expect(w.applied?.detectWithinMs.inFlight).toBe(10_000);
  });

  it("is refused by every call when the budget cannot outlast it, with the nearest pair", async () => {
    pair = await loopbackPair();
    const { client } = pair;
    const server = createServer();
    const options = { detectWithinMs: 5000, surviveOutageMs: LONGEST_MS + 1 };
    for (const call of [
      () => watch(client, options),
      () => watchServer(server, options),
      () => watchAll(options),
    ])
      expect(call).toThrow(OutageBoundError);
    try {
      watch(client, options);
    } catch (error) {
      expect(error).toMatchObject({ code: "ERR_OUTAGE_BOUND", longestOutageMs: LONGEST_MS });
      const { nearest } = error as OutageBoundError;
      expect(nearest.surviveOutageMs).toBe(LONGEST_MS + 1);
      watch(client, nearest).close();
    }
  });

  it("has less room with a heartbeat, and with a mere report, which leaves the backoff alone", () => {
    const pairOf = (surviveOutageMs: number) => ({ detectWithinMs: 5000, surviveOutageMs });
    const longestMs = hasRtoMax() ? 3100 : 2000;
    settingsOf({ ...pairOf(longestMs), heartbeat });
    expect(() => settingsOf({ ...pairOf(longestMs + 1), heartbeat })).toThrow(OutageBoundError);
    settingsOf({ ...pairOf(2105), onDead: "report" });
    expect(() => settingsOf({ ...pairOf(2106), onDead: "report" })).toThrow(OutageBoundError);
  });

  it("is a number of milliseconds", () => {
    for (const surviveOutageMs of [-1, Number.NaN, Number.POSITIVE_INFINITY, "2s"] as number[])
      expect(() => settingsOf({ surviveOutageMs })).toThrow(/surviveOutageMs must be a number/);
  });
});

describe("two watches of one socket", () => {
  const wanting = (detectWithinMs: number, surviveOutageMs?: number) =>
    settingsOf({ detectWithinMs, surviveOutageMs });

  it("keep the default when none of them asks for more", () => {
    expect(merge(wanting(5000), wanting(60_000)).surviveOutageMs).toBeNull();
    expect(merge(wanting(5000), wanting(60_000, 1000)).surviveOutageMs).toBe(2000);
  });

  it("survive the longer outage, and take the budget that this needs", () => {
    const both = merge(wanting(2500), wanting(60_000, 24_000));
    expect(both.surviveOutageMs).toBe(24_000);
    expect(both.detectWithinMs).toBeGreaterThan(24_000);
    expect(both.detectWithinMs).toBeLessThan(60_000);
    settingsOf({
      detectWithinMs: both.detectWithinMs,
      surviveOutageMs: both.surviveOutageMs ?? Number.NaN,
    });
  });

  it("go back to what the one that is left asked for", async () => {
    pair = await loopbackPair();
    const first = watch(pair.client, { detectWithinMs: 5000 });
    const second = watch(pair.client, { detectWithinMs: 5000, surviveOutageMs: 2100 });
    expect(first.applied?.surviveOutageMs).toBe(2100);
    second.close();
    expect(first.applied?.surviveOutageMs).toBe(2000);
  });
});
