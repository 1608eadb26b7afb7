import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";
import { afterEach, describe, expect, it } from "vitest";
import { NfdEDetector } from "../../src/core/index.ts";
import { watchIoredis } from "../../src/heartbeat/index.ts";
import { type Diagnosis, OutageBoundError, type WatchOptions, watch } from "../../src/index.ts";
import { merge } from "../../src/watch/merge-settings.ts";
import { settingsOf } from "../../src/watch/settings.ts";
import { graceMs } from "../setup/grace.ts";
import { loopbackPair, type Pair } from "./loopback.ts";

let pair: Pair | null = null;
afterEach(async () => {
  await pair?.dispose();
  pair = null;
});

const heartbeat = (): Promise<void> => Promise.resolve();
const detector = {
  intervalMs: 100,
  make: (now: number) => new NfdEDetector({ intervalMs: 100, marginMs: 150 }, now),
};

describe("a budget too short for keepalive is refused", () => {
  const refusalOf = (options: WatchOptions): string => {
    try {
      settingsOf(options);
      return "";
    } catch (error) {
      expect(error).toMatchObject({ code: "ERR_OPTION_RANGE" });
      return (error as Error).message;
    }
  };

  it("without a heartbeat, and says that one makes it possible", () => {
    expect(refusalOf({ detectWithinMs: 500 })).toMatch(/2500.*heartbeat/);
  });

  it("with a detector, which decides by itself", () => {
    expect(refusalOf({ detectWithinMs: 500, heartbeat, detector })).toMatch(/without a detector/);
  });

  it("below 300 ms in any case", () => {
    expect(refusalOf({ detectWithinMs: 299, heartbeat })).toMatch(/300/);
    expect(refusalOf({ detectWithinMs: 300, heartbeat })).toBe("");
  });

  it("of a client that asks its server one question at a time", () => {
    const redis = new Redis({ lazyConnect: true });
    expect(() => watchIoredis(redis, { detectWithinMs: 2499 })).toThrow(/one at a time/);
  });

  it("with an outage that it cannot outlast, naming the nearest pair", () => {
    const options = { detectWithinMs: 500, surviveOutageMs: 201, heartbeat };
    try {
      settingsOf(options);
      expect.unreachable();
    } catch (error) {
      expect(error).toBeInstanceOf(OutageBoundError);
      const { longestOutageMs, nearest } = error as OutageBoundError;
      expect(longestOutageMs).toBe(200);
      expect(nearest).toEqual({ detectWithinMs: 580, surviveOutageMs: 201 });
      settingsOf({ ...nearest, heartbeat });
    }
  });
});

describe("two watches of one socket, one with a short budget", () => {
  const quick = settingsOf({ detectWithinMs: 500, heartbeat });

  it("keep the short budget", () => {
    expect(merge(settingsOf({}), quick)).toMatchObject({ detectWithinMs: 500, heartbeat });
  });

  it("take the budget that the longer outage needs", () => {
    const patient = settingsOf({ detectWithinMs: 10_000, surviveOutageMs: 800 });
    expect(merge(quick, patient)).toMatchObject({ detectWithinMs: 1030, surviveOutageMs: 800 });
  });

  it("take the budget that a detector needs", () => {
    const judged = settingsOf({ heartbeat, detector });
    expect(merge(quick, judged)).toMatchObject({ detectWithinMs: 2500, detector });
  });

  it("change the means as they come and go, and leave the options as they were", async () => {
    pair = await loopbackPair();
    const { client } = pair;
    const patient = watch(client, { detectWithinMs: 10_000 });
    expect(patient.applied?.surviveOutageMs).toBe(4000);
    const short = watch(client, { detectWithinMs: 500, heartbeat });
    expect(patient.applied?.detectWithinMs.idle).toBe(500);
    expect(patient.applied?.surviveOutageMs).toBe(200);
    await sleep(300);
    short.close();
    expect(patient.applied?.surviveOutageMs).toBe(4000);
    await sleep(300);
    expect(patient.state).toBe("alive");
  });
});

describe("a peer's process that stops answering", () => {
  it.each(["quiet", "while the program writes"])(
    "is found within half a second: %s",
    async (how) => {
      pair = await loopbackPair();
      const { client, accepted } = pair;
      client.setNoDelay().resume();
      accepted.setNoDelay().on("data", (data) => {
        for (const byte of data) if (byte === "?".charCodeAt(0)) accepted.write("!");
      });
      const waiting: (() => void)[] = [];
      client.on("data", () => {
        for (const settle of waiting.splice(0)) settle();
      });
      const ask = (): Promise<void> => {
        client.write("?");
        return new Promise((resolve) => waiting.push(resolve));
      };
      const w = watch(client, { detectWithinMs: 500, heartbeat: ask });
      const verdict = once(w, "dead", { signal: AbortSignal.timeout(5000) });
      const writing = how === "quiet" ? undefined : setInterval(() => client.write("word"), 25);
      try {
        await sleep(1000);
        accepted.pause();
        const hungAt = performance.now();
        const [{ cause }] = (await verdict) as [Diagnosis];
        expect(cause).toBe("peer-hung");
        expect(performance.now() - hungAt).toBeLessThan(300 + graceMs());
      } finally {
        clearInterval(writing);
      }
    },
  );
});
