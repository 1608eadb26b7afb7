import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { World } from "../../src/lab/world.ts";
import { describeWith } from "../setup/requires.ts";

const PROGRAM = [process.execPath, new URL("last-data.mjs", import.meta.url).pathname];
const WAYS = ["destroy", "destroySoon"];
const WATCHES = ["unwatched", 2500, 5000, 600_000];
/** Longer than the cap on backoff of a watch: at the cap an orphan is given up at once. */
const OUTAGE_MS = 4000;
/** The kernel sends again at most as long after an outage as that lasted. */
const HEALED_MS = 6000;

await describeWith(["namespaces"], "the last data of a program that closes in an outage", () => {
  it("arrives after it, with a watch as without", { timeout: 60_000 }, async () => {
    await using world = await World.open();
    const network = await world.network();
    const peer = await network.spawn("right", [...PROGRAM, "serve"]);
    const arrived: string[] = [];
    await new Promise<void>((resolve) =>
      peer.onLine((line) => {
        if (line === "ready") resolve();
        else arrived.push(line);
      }),
    );
    const subject = await network.spawn("left", [...PROGRAM, network.address("right")]);
    await new Promise<void>((resolve) => subject.onLine(() => resolve()));
    await sleep(3000);
    await network.pullCable("right");
    await subject.write("cut");
    await sleep(OUTAGE_MS);
    await network.plugCable("right");
    await sleep(HEALED_MS);
    const all = WAYS.flatMap((way) => WATCHES.map((within) => `${way}, ${within}, end`));
    expect(arrived.toSorted()).toEqual(all.toSorted());
  });
});
