import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { GuardEvent } from "../../src/guard/event.ts";
import { World } from "../../src/lab/world.ts";
import { describeWith } from "../setup/requires.ts";
import { lengthName, longOrShort } from "../setup/run-length.ts";
import { type Running, Stage, until } from "./stage.ts";

const HOLDER = fileURLToPath(new URL("../guard/programs/many-connections.py", import.meta.url));
const PEERS = Array.from({ length: 50 }, (_, i) => `10.77.0.${i + 11}`);
const OUTAGE_MS = longOrShort(600_000, 100_000);
/**
 * After an outage the kernel sends data in flight again within the length of the outage, and within
 * two minutes.
 */
const BACK_MS = Math.min(OUTAGE_MS, 120_000) + 20_000;

type Options = Record<string, (number | null)[]>;

async function options(holder: Running): Promise<Options> {
  const before = holder.lines.length;
  await holder.process.write("tell");
  const told = (): string | undefined =>
    holder.lines.slice(before).find((line) => line.startsWith("told "));
  await until(() => told() !== undefined, "the program tells its options");
  return JSON.parse((told() as string).slice("told ".length)) as Options;
}

interface Guard {
  readonly running: Running;
  readonly events: () => GuardEvent[];
}

/**
 * Rest of the outage after the last guard has stopped: then the program's own keepalive counts, of
 * a minute at the least.
 */
const UNGUARDED_MS = 30_000;

/** Events of the guard a third into the outage. Each returns the guards that run from then on. */
const BEFALLS: Readonly<
  Record<string, (guard: Guard, next: () => Promise<Guard>) => Promise<Guard[]>>
> = {
  "nothing befalls the guard": async (guard) => [guard],
  "the guard reads its rules again (SIGHUP)": async (guard) => {
    for (let i = 0; i < 3; i++) {
      await guard.running.process.signal("SIGHUP");
      await sleep(5000);
    }
    return [guard];
  },
  "the guard is stopped (SIGTERM)": async (guard) => {
    await sleep((2 * OUTAGE_MS) / 3 - UNGUARDED_MS);
    await guard.running.process.signal("SIGTERM");
    expect(await guard.running.ended).toBe(0);
    return [];
  },
  "the guard is stopped (SIGINT) and started again": async (guard, next) => {
    await guard.running.process.signal("SIGINT");
    expect(await guard.running.ended).toBe(0);
    return [await next()];
  },
  "the guard is killed (SIGKILL) and started again": async (guard, next) => {
    await guard.running.process.signal("SIGKILL");
    await guard.running.ended;
    return [await next()];
  },
};

await describeWith(
  ["root", "namespaces", "ss", "/usr/bin/python3"],
  `a guard holds 50 connections for ${OUTAGE_MS / 1000} s (${lengthName})`,
  () => {
    let world: World;
    let folder: string;
    beforeAll(async () => {
      world = await World.open();
      folder = mkdtempSync(join(tmpdir(), "halfopen-hold-"));
    });
    afterAll(async () => {
      await world.close();
      rmSync(folder, { recursive: true, force: true });
    });

    it.concurrent.each(Object.keys(BEFALLS))(
      "%s: all connections live when the cable is back, with the program's own options",
      {
        timeout: OUTAGE_MS + BACK_MS + 120_000,
      },
      async (what) => {
        const stage = await Stage.open(world);
        const { network } = stage;
        for (const peer of PEERS)
          await network.run("right", ["ip", "addr", "add", `${peer}/24`, "dev", "eth0"]);
        const rules = join(folder, `${Object.keys(BEFALLS).indexOf(what)}.yaml`);
        writeFileSync(
          rules,
          "rules:\n  - { name: all, match: { port: 7000 }, detect-within: 5s }\nbrake: { hold-at-most: 15m }\n",
        );
        const holder = await stage.start("left", ["/usr/bin/python3", HOLDER, "7000", ...PEERS]);
        await until(() => holder.lines.includes("ready"), "it is connected");
        const own = await options(holder);
        expect(Object.keys(own).length).toBe(PEERS.length);
        const start = (): Promise<Guard> => stage.guard(["--rules", rules, "--apply"]);

        const first = await start();
        await sleep(5000);
        await network.pullCable();
        const cutAt = performance.now();
        await until(
          () => first.events().filter(({ action }) => action === "hold").length === PEERS.length,
          "it holds all",
        );
        await sleep(cutAt + OUTAGE_MS / 3 - performance.now());
        const guards = await (BEFALLS[what] as (typeof BEFALLS)[string])(first, start);
        await sleep(cutAt + OUTAGE_MS - performance.now());
        await network.plugCable();
        await sleep(BACK_MS);

        const lost = holder.lines.filter((line) => line.startsWith("lost"));
        console.log(
          `hold of ${OUTAGE_MS / 1000} s, ${what}: ${PEERS.length - lost.length} of ${PEERS.length} live`,
        );
        expect(lost).toEqual([]);
        for (const { events, running } of [first, ...guards]) {
          expect(
            events().filter(({ action }) => action === "destroy" || action === "error"),
          ).toEqual([]);
          expect(running.process.errors).toEqual([]);
        }
        for (const { running } of guards) {
          await running.process.signal("SIGTERM");
          expect(await running.ended).toBe(0);
        }
        const after = await options(holder);
        // No guard was left to remove the allowance for unanswered attempts from the program's
        // options.
        if (guards.length === 0) expect(unlike(own, after)).toEqual([]);
        else expect(after).toEqual(own);
      },
    );
  },
);

/**
 * Returns the connections whose options differ from the program's own by more than that allowance:
 * a count and a user timeout looser by what was unanswered.
 */
function unlike(own: Options, after: Options): string[] {
  const isFine = (
    [on, idle, interval, count, timeout, cap]: (number | null)[],
    now: (number | null)[],
  ): boolean => {
    if (on !== now[0] || idle !== now[1] || cap !== now[5]) return false;
    const isCountFine =
      on === 0
        ? now[3] === count
        : Number(now[3]) >= Number(count) && Number(now[2]) >= Number(interval);
    return isCountFine && (timeout === 0 ? now[4] === 0 : Number(now[4]) >= Number(timeout));
  };
  return Object.keys(own)
    .filter((i) => !isFine(own[i] as (number | null)[], after[i] ?? []))
    .map((i) => `${i}: ${own[i]} became ${after[i]}`);
}
