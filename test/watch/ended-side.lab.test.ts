import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import type { Applied, Diagnosis } from "../../src/index.ts";
import { World } from "../../src/lab/world.ts";
import { graceMs } from "../setup/grace.ts";
import { describeWith } from "../setup/requires.ts";

const PROGRAM = [process.execPath, new URL("ended-side.mjs", import.meta.url).pathname];
const BUDGETS_MS = [2500, 5000, 10_000];
const WAYS = 4;
/** The clock starts when the cable is out; pulling it takes as long at most. */
const PULLING_MS = 200;

interface Line {
  readonly way: string;
  readonly detectWithinMs: number;
  readonly afterMs?: number;
  readonly diagnosis?: Diagnosis;
  readonly applied?: Applied;
}

await describeWith(["namespaces"], "a program that ends its side", () => {
  it("while nothing gets through still has its peer found within the budget, or within the time that `applied` names", {
    timeout: 60_000,
  }, async () => {
    await using world = await World.open();
    const network = await world.network();
    const peer = await network.spawn("right", [...PROGRAM, "serve"]);
    await new Promise<void>((resolve) => peer.onLine(() => resolve()));
    const subject = await network.spawn("left", [
      ...PROGRAM,
      network.address("right"),
      ...BUDGETS_MS.map(String),
    ]);
    const lines: Line[] = [];
    await new Promise<void>((resolve) => {
      subject.onLine((line) => {
        if (line === "connected") resolve();
        else lines.push(JSON.parse(line) as Line);
      });
    });
    await sleep(4000);
    await network.pullCable();
    await subject.write("cut");
    await sleep(1200); // all have ended their side, and none is found
    await subject.write("applied");
    while (lines.length < 2 * WAYS * BUDGETS_MS.length) await sleep(50);
    for (const { way, applied } of lines.filter((line) => line.applied)) {
      const isCapped = way === "write";
      const saysSo = applied?.notes.some((note) => note.includes("ended its side"));
      expect({ way, isCapped: applied?.rtoMaxMs !== null, saysSo }).toEqual({
        way,
        isCapped,
        saysSo: !isCapped,
      });
      expect(applied?.detectWithinMs.closedWindow !== null).toBe(isCapped);
      expect(applied?.backstopMs.inFlight).toBeGreaterThan(10_000);
    }
    for (const { way, detectWithinMs, afterMs, diagnosis } of lines.filter(
      (line) => line.afterMs !== undefined,
    )) {
      console.log(
        `${detectWithinMs} ms, ${way}: ${Math.round(afterMs ?? 0)} ms, ${diagnosis?.cause}, ${diagnosis?.certainty}; ${diagnosis?.why[0]}`,
      );
      const promise = lines.find(
        (line) => line.applied && line.way === way && line.detectWithinMs === detectWithinMs,
      );
      const promisedMs = promise?.applied?.detectWithinMs.inFlight ?? 0;
      expect.soft(afterMs, `${way}, ${detectWithinMs}`).toBeLessThanOrEqual(promisedMs + graceMs());
      expect
        .soft(afterMs, `${way}, ${detectWithinMs}`)
        .toBeGreaterThan(0.4 * detectWithinMs - PULLING_MS);
    }
  });
});
