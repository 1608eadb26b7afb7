import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import type { Network } from "../../src/lab/network.ts";
import { World } from "../../src/lab/world.ts";
import { graceMs } from "../setup/grace.ts";
import { describeWith } from "../setup/requires.ts";
import { startWatchedProgram, type WatchedProgram } from "./watched-program.ts";

/**
 * RFC 9293, 3.8.4: "an implementation must not interpret failure to respond to any specific probe
 * as a dead connection" (MUST-26). Some stacks answer no probe, and some firewalls let none
 * through.
 */
const BUDGET_MS = 5000;
const LIVES_MS = 6 * BUDGET_MS;
/** Longer than a budget, so that only probes could be evidence in between. */
const SAY_EVERY_MS = 1.3 * BUDGET_MS;
const NEVER_ANSWERED = /never answered.*keepalive|keepalive.*never answered/i;
const CONNECTIONS = ([4, 6] as const).map((family) => ({
  id: `IPv${family}`,
  family,
  traffic: "idle" as const,
  budgetMs: BUDGET_MS,
}));

function start(network: Network): Promise<WatchedProgram> {
  return startWatchedProgram(
    network,
    CONNECTIONS.map(({ family, ...it }) => ({ ...it, host: network.address("right", family) })),
  );
}

function deathsOf({ events }: WatchedProgram): string[] {
  return events.flatMap((event) =>
    event.event === "dead"
      ? [
          `${event.id}: ${event.diagnosis.cause}, ${event.diagnosis.certainty}, after ${event.diagnosis.silentForMs} ms; ${event.diagnosis.why}`,
        ]
      : [],
  );
}

async function expectItSaysSo(subject: WatchedProgram): Promise<void> {
  await subject.send({ do: "diagnose" });
  for (const { id } of CONNECTIONS) {
    const { diagnosis } = await subject.event("now", id);
    expect(diagnosis.unknown.join("; "), id).toMatch(NEVER_ANSWERED);
    expect(diagnosis.certainty, id).not.toBe("high");
  }
}

await describeWith(["namespaces", "nft"], "a peer that gets or answers no keepalive probe", () => {
  it.concurrent("is not declared dead, not even beyond the kernel's own count, and the diagnosis says that it never answered", {
    timeout: 120_000,
  }, async () => {
    await using world = await World.open();
    const network = await world.network();
    await network.dropProbes();
    const subject = await start(network);
    await sleep(2 * LIVES_MS);
    expect(subject.events.filter(({ event }) => event === "closed")).toEqual([]);
    expect(deathsOf(subject)).toEqual([]);
    await expectItSaysSo(subject);
  });

  it.concurrent("is not declared dead while it acknowledges data now and then, but once it stops", {
    timeout: 90_000,
  }, async () => {
    await using world = await World.open();
    const network = await world.network();
    await network.dropProbes();
    const subject = await start(network);
    for (let past = 0; past < LIVES_MS; past += SAY_EVERY_MS) {
      await subject.send({ do: "say" });
      await sleep(SAY_EVERY_MS);
    }
    expect(deathsOf(subject)).toEqual([]);
    await expectItSaysSo(subject);

    // Unanswered retransmissions of data are evidence against any peer.
    await network.pullCable();
    const cutAt = performance.now();
    await subject.send({ do: "say" });
    for (const { id } of CONNECTIONS)
      expect((await subject.event("dead", id)).diagnosis.cause).toBe("path-silent");
    expect(performance.now() - cutAt).toBeLessThanOrEqual(BUDGET_MS + graceMs());
  });

  it.concurrent("is not declared dead when it answered them, and a box begins to drop them while data still passes", {
    timeout: 90_000,
  }, async () => {
    await using world = await World.open();
    const network = await world.network();
    const subject = await start(network);
    await sleep(LIVES_MS / 3);
    await network.dropProbes();
    for (let said = 0; said < 4; said++) {
      await subject.send({ do: "say" });
      await sleep(0.8 * BUDGET_MS);
    }
    await subject.send({ do: "say" });
    await sleep(LIVES_MS);
    expect(subject.events.filter(({ event }) => event === "closed")).toEqual([]);
    expect(deathsOf(subject)).toEqual([]);
    await subject.send({ do: "diagnose" });
    for (const { id } of CONNECTIONS) {
      const { diagnosis } = await subject.event("now", id);
      expect(diagnosis.unknown.join("; "), id).toContain("stopped while data still passed");
      expect(diagnosis.certainty, id).toBe("medium");
    }
  });

  it.concurrent("is not declared dead when it answers one probe in ten seconds", {
    timeout: 60_000,
  }, async () => {
    await using world = await World.open();
    const network = await world.network();
    await network.limitProbeAnswers(10_000);
    const subject = await start(network);
    await sleep(LIVES_MS);
    expect(deathsOf(subject)).toEqual([]);
  });
});
