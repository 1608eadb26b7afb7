import { once } from "node:events";
import type { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { type Diagnosis, watch } from "../../src/index.ts";
import { graceMs } from "../setup/grace.ts";
import { loopbackPair } from "./loopback.ts";

const BUDGET_MS = 2500;
const BACKLOG_BYTES = 24_000_000;
const READ_BYTES = 64 * 1024;
const READ_EVERY_MS = 25;

/** Reads slowly and answers each "?" when it reads it; stops for good after `stopAfter` bytes. */
async function readSlowly(socket: Socket, stopAfter = Number.POSITIVE_INFINITY): Promise<void> {
  socket.pause();
  for (let taken = 0; !socket.destroyed && taken < stopAfter; await sleep(READ_EVERY_MS)) {
    const chunk: Buffer | null = socket.read(READ_BYTES) ?? socket.read();
    if (chunk === null) continue;
    taken += chunk.length;
    if (chunk.includes("?")) socket.write("!");
  }
}

function ask(socket: Socket): Promise<unknown> {
  socket.write("?");
  return once(socket, "data");
}

describe("a heartbeat queued behind 24 MB of the program's data", () => {
  it.concurrent("waits longer than the budget while a live peer takes the data", {
    timeout: 60_000,
  }, async () => {
    await using pair = await loopbackPair();
    const { client, accepted } = pair;
    client.resume();
    const dead: Diagnosis[] = [];
    const answers: number[] = [];
    const startedAt = performance.now();
    const w = watch(client, {
      detectWithinMs: BUDGET_MS,
      heartbeat: () => ask(client).then(() => void answers.push(performance.now() - startedAt)),
    });
    w.on("dead", (diagnosis) => dead.push(diagnosis));
    client.write(Buffer.alloc(BACKLOG_BYTES));

    void readSlowly(accepted);
    while (answers.length < 2 && dead.length === 0) await sleep(50);

    expect(dead).toEqual([]);
    expect(answers[0]).toBeGreaterThan(1.5 * BUDGET_MS);
  });

  it.concurrent("finds a process that takes some of the data and then hangs, within the budget", {
    timeout: 60_000,
  }, async () => {
    await using pair = await loopbackPair();
    const { client, accepted } = pair;
    client.resume();
    const heartbeat = () => ask(client);
    const w = watch(client, { detectWithinMs: BUDGET_MS, heartbeat, expect: "process" });
    const verdict = once(w, "dead");
    client.write(Buffer.alloc(BACKLOG_BYTES));

    await readSlowly(accepted, BACKLOG_BYTES / 4);
    const hungAt = performance.now();
    const [{ cause }] = (await verdict) as [Diagnosis];

    expect(cause).toBe("peer-hung");
    // Until the buffer of the peer's kernel is full, data that the kernel takes passes for reading.
    expect(performance.now() - hungAt).toBeLessThan(BUDGET_MS + 750 + graceMs());
  });
});

describe("a heartbeat behind a few bytes in flight", () => {
  it("finds a process that hangs while its kernel goes on taking what the program writes", {
    timeout: 60_000,
  }, async () => {
    await using pair = await loopbackPair();
    const { client, accepted } = pair;
    client.setNoDelay().resume();
    accepted.on("data", (data) => {
      if (data.includes("?")) accepted.write("!");
    });
    const w = watch(client, { detectWithinMs: BUDGET_MS, heartbeat: () => ask(client) });
    const verdict = once(w, "dead", { signal: AbortSignal.timeout(4 * BUDGET_MS) });
    // The peer's kernel delays acknowledgments, so at most moments one is missing.
    const writing = setInterval(() => client.write("word"), 25);
    try {
      await sleep(1.5 * BUDGET_MS);
      accepted.pause();
      const hungAt = performance.now();
      const [{ cause }] = (await verdict) as [Diagnosis];
      expect(cause).toBe("peer-hung");
      expect(performance.now() - hungAt).toBeLessThan(BUDGET_MS + graceMs());
    } finally {
      clearInterval(writing);
    }
  });
});
