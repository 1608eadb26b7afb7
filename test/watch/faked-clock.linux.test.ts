import { execFile } from "node:child_process";
import { once } from "node:events";
import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import { promisify } from "node:util";
import { afterEach, describe, expect, it, vi } from "vitest";
import { frameHeartbeat, newline } from "../../src/heartbeat/index.ts";
import { nudge, watch } from "../../src/index.ts";
import { sleep } from "../../src/kernel/clock.ts";
import { loopbackPair, type Pair } from "./loopback.ts";

/** Leaves the handle as a program does whose consumer is slow: the event loop finds no reset. */
function stopReading(socket: Socket): void {
  const { _handle } = socket as unknown as { _handle: { readStop(): void; reading: boolean } };
  _handle.readStop();
  _handle.reading = false;
}

const run = promisify(execFile);
const WATCHED = new URL("faked-clock.mjs", import.meta.url).pathname;

let pair: Pair | undefined;
afterEach(async () => {
  vi.useRealTimers();
  await pair?.dispose();
  pair = undefined;
});

describe("a program that replaces the global clocks and timers", () => {
  it("does not stop a watch, and finds no timer of it", async () => {
    pair = await loopbackPair();
    const { client, accepted } = pair;
    vi.useFakeTimers();
    const w = watch(client, { detectWithinMs: 2500 });
    const dying = once(w, "dead");
    stopReading(client);
    await sleep(100);
    accepted.resetAndDestroy(); // only a check finds it: the event loop does not read
    expect(vi.getTimerCount()).toBe(0);
    await dying;
    expect(w.diagnosis.cause).toBe("peer-reset");
  });

  it("does not make it believe that time has passed, or a suspend", async () => {
    pair = await loopbackPair();
    vi.useFakeTimers();
    const w = watch(pair.client, { detectWithinMs: 2500 });
    await sleep(50);
    vi.advanceTimersByTime(3_600_000);
    vi.setSystemTime(4e12);
    await sleep(300);
    const { state, why, silentForMs, since } = w.diagnosis;
    expect({ state, why: why.filter((reason) => reason.includes("stood still")) }).toEqual({
      state: "alive",
      why: [],
    });
    expect(silentForMs).toBeLessThan(1000);
    expect(since).toBeLessThan(3e12);
    expect(w.quality.mistakes).toBe(0);
  });

  it("does not hold a nudge, nor the greeting of a frame channel", async () => {
    pair = await loopbackPair();
    vi.useFakeTimers();
    await sleep(1100); // the kernel probes after a second of silence
    expect(await nudge(pair.client)).toMatchObject({ answered: true });
    const silent = new Duplex({ read() {}, write: (_, __, done) => done() });
    const channel = frameHeartbeat(silent, newline(), { helloWithinMs: 100 });
    expect(vi.getTimerCount()).toBe(0);
    await expect(once(channel, "close")).rejects.toMatchObject({ code: "ERR_PROTOCOL" });
  });
});

it("mock.timers of node:test do not stop a watch", async () => {
  const { stdout } = await run(process.execPath, ["--no-warnings", WATCHED], { timeout: 10_000 });
  expect(JSON.parse(stdout)).toBe("peer-reset");
});
