import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { GuardEvent } from "../../src/guard/event.ts";
import { DIST } from "../../src/lab/lab-machine.ts";
import { World } from "../../src/lab/world.ts";
import { graceMs } from "../setup/grace.ts";
import { describeWith } from "../setup/requires.ts";
import { longOrShort } from "../setup/run-length.ts";
import { NEEDED } from "./programs/programs.ts";
import { Scene } from "./programs/scene.ts";

const HALFOPEN = [process.execPath, fileURLToPath(new URL("../cli/main.js", DIST))];
const BUDGET_MS = 5000;
/** The longest outage that a connection is promised to survive. No verdict may come earlier. */
const SOONEST_MS = 0.4 * BUDGET_MS;
const WITHOUT_MS = longOrShort(60_000, 15_000);
/**
 * The only program that notices a death by itself: an idle redis-cli sets a keepalive of 15 s, 5 s,
 * 3 probes (redis-cli.c, cliConnect).
 */
const LEARNS_ALONE = /^redis-cli, idle/;
const ALONE_MS = 30_000;
/**
 * The time before the cable is pulled, in which surveys see each peer answer two probes. On a busy
 * machine they have seen that 5 s after the first of them.
 */
const SETTLE_MS = 12_000;

await describeWith(NEEDED, "programs that nobody changed", () => {
  let world: World;
  let folder: string;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "halfopen-programs-"));
    chmodSync(folder, 0o711); // PostgreSQL runs as a user of its own
    world = await World.open();
  });
  afterAll(async () => {
    await world.close();
    rmSync(folder, { recursive: true, force: true });
  });

  function expectInTime(times: Record<string, number | null>): void {
    console.log(`saw their error after the cable was pulled, ms: ${JSON.stringify(times)}`);
    const wrong = Object.entries(times).filter(
      ([, ms]) => ms === null || ms > BUDGET_MS + 250 + graceMs() || ms < SOONEST_MS,
    );
    expect(wrong).toEqual([]);
  }

  it("get their errors in time under exec, as ordinary users, child processes too", {
    timeout: 90_000,
  }, async () => {
    const scene = await Scene.open(world, folder, [
      ...HALFOPEN,
      "exec",
      "--detect-within",
      `${BUDGET_MS}ms`,
      "--",
    ]);
    await sleep(SETTLE_MS);
    expectInTime(await scene.cut(BUDGET_MS + 3000));
    expect(
      scene.said
        .filter((line) => /^(python|node): .*\texit/.test(line))
        .map((line) => line.split(" ").at(-1)),
    ).toEqual(Array(8).fill("7"));
  });

  it("get their errors in time under guard --apply, whose log has the evidence", {
    timeout: 90_000,
  }, async () => {
    const scene = await Scene.open(world, folder);
    const guard = await scene.network.spawn("left", [
      ...HALFOPEN,
      "guard",
      "--detect-within",
      `${BUDGET_MS}ms`,
      "--apply",
      "--json",
    ]);
    const events: GuardEvent[] = [];
    guard.onLine((line) => events.push(JSON.parse(line) as GuardEvent));
    await sleep(SETTLE_MS);
    expectInTime(await scene.cut(BUDGET_MS + 3000));
    expect(guard.errors).toEqual([]);
    const ended = events.filter(({ action }) => action === "destroy");
    expect(ended.map(({ diagnosis }) => diagnosis?.cause)).toEqual(
      Array(scene.seen.size).fill("path-silent"),
    );
    for (const { diagnosis } of ended)
      expect(diagnosis?.evidence.unansweredAttempts).toBeGreaterThan(1);
    const exit = new Promise((resolve) => guard.onExit((code) => resolve(code)));
    await guard.signal("SIGTERM");
    expect(await exit).toBe(0);
  });

  it(`do not notice the cut by themselves within ${WITHOUT_MS} ms`, {
    timeout: WITHOUT_MS + 60_000,
  }, async () => {
    const scene = await Scene.open(world, folder);
    const times = await scene.cut(WITHOUT_MS);
    console.log(`saw their error without halfopen, ms: ${JSON.stringify(times)}`);
    for (const [name, ms] of Object.entries(times)) {
      if (ms === null) continue;
      expect({ name, ms }).toEqual({
        name: expect.stringMatching(LEARNS_ALONE),
        ms: expect.closeTo(ALONE_MS, -4),
      });
    }
  });
});
