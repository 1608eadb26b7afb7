import { setTimeout as sleep } from "node:timers/promises";
import { it } from "vitest";
import { World } from "../../src/lab/world.ts";
import { describeWith } from "../setup/requires.ts";

const PROGRAM = [process.execPath, new URL("own-options.mjs", import.meta.url).pathname];

interface Line {
  readonly way: string;
  readonly own: string;
  /** `alive`, `answered`, or the error's code. */
  readonly state: string;
  readonly verdicts: readonly string[];
  readonly whileWatched?: { readonly kernel: number | null; readonly applied: number | null };
  readonly before: unknown;
  readonly after: unknown;
}

/**
 * Returns how the connections of a scene are `afterMs` after an outage. The outage lasts until all
 * have done their part, and for `outageMs` at least.
 */
async function after(scene: string, outageMs: number, afterMs: number): Promise<Line[]> {
  await using world = await World.open();
  const network = await world.network();
  const peer = await network.spawn("right", [...PROGRAM, "serve"]);
  await new Promise<void>((resolve) => peer.onLine(() => resolve()));
  const subject = await network.spawn("left", [...PROGRAM, network.address("right"), scene], {
    unprivileged: true,
  });
  const lines: string[] = [];
  subject.onLine((line) => lines.push(line));
  const said = async (line: string): Promise<void> => {
    while (!lines.includes(line) && subject.errors.length === 0) await sleep(50);
  };
  await said("connected");
  await sleep(4000);
  await network.pullCable();
  await subject.write("cut");
  await Promise.all([said("left"), sleep(outageMs)]);
  await network.plugCable();
  await sleep(afterMs);
  await subject.write("tell");
  await sleep(2000);
  if (subject.errors.length > 0) throw new Error(subject.errors.join("\n"));
  return lines.filter((line) => line.startsWith("{")).map((line) => JSON.parse(line) as Line);
}

await describeWith(["namespaces"], "what a program had set on a connection", () => {
  it.concurrent("is restored and the connection lives, however the watch ended during an outage's suspicion", {
    timeout: 90_000,
  }, async ({ expect }) => {
    // The program's own keepalive probes after 20 s of silence. It must be the first to be heard
    // again, not end the connection.
    const lines = await after("closed in a suspicion", 1000, 20_000);
    expect(lines.length).toBe(30);
    for (const { way, own, state, before, after: now, verdicts } of lines) {
      expect.soft(state, `${way}; own: ${own}`).toBe("alive");
      expect.soft(now, `${way}; own: ${own}`).toEqual(before);
      if (way !== "asked only") expect.soft(verdicts, `${way}; own: ${own}`).toEqual(["suspect"]);
    }
  });

  it.concurrent("keeps a connection with a watch that only reports alive as long as one without, through an outage of 40 s", {
    timeout: 150_000,
  }, async ({ expect }) => {
    // In flight the kernel sends again at most as long after an outage as that lasted.
    const lines = await after("reported", 40_000, 42_000);
    expect(lines.length).toBe(6);
    for (const { way, state, before, after: now, verdicts } of lines) {
      expect.soft(state, way).toBe(way.startsWith("idle") ? "alive" : "answered");
      expect.soft(now, way).toEqual(before);
      expect.soft(verdicts, way).toEqual(way.endsWith("unwatched") ? [] : ["suspect", "dead"]);
    }
  });

  it.concurrent("is not cut short by a watch that begins during retransmissions, when a cap would shorten the kernel's patience", {
    timeout: 60_000,
  }, async ({ expect }) => {
    const lines = await after("begun late", 1000, 8000);
    expect(lines.length).toBe(3);
    for (const { own, state, before, after: now, whileWatched } of lines) {
      expect.soft(whileWatched, own).toEqual({ kernel: 120_000, applied: null });
      expect.soft(state, own).toBe("answered");
      expect.soft(now, own).toEqual(before);
    }
  });
});
