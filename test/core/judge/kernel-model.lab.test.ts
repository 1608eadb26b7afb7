import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { capabilities } from "../../../src/kernel/capabilities.ts";
import { World } from "../../../src/lab/world.ts";
import { describeWith } from "../../setup/requires.ts";
import { KernelModel, type ModelOptions } from "./kernel-model.ts";

const PROGRAM = [process.execPath, new URL("kernel-model.mjs", import.meta.url).pathname];

interface Scene {
  readonly options: Partial<ModelOptions>;
  /** After the cut the program writes, or sets a shorter idle time. */
  readonly writeAtMs?: number;
  readonly nudgeAtMs?: number;
  /** The peer does not read, and its window has closed. */
  readonly isBlocked?: boolean;
  /** The path comes back this long after the cut. */
  readonly healsAtMs?: number;
  readonly forMs: number;
}

/** A moment in which a counter reached a value, or the kernel ended the connection. */
interface Change {
  readonly name: string;
  readonly value: number;
  readonly atMs: number;
  /** The timeout that the same reading told. */
  readonly rtoMs?: number | undefined;
}

interface Noted {
  /** How long before the cut the peer was heard, and the backoff then. */
  readonly ageMs: number;
  readonly backoff: number;
  readonly changes: readonly Change[];
}

const QUIET: Partial<ModelOptions> = { keepalive: false };
const KEEPALIVE = { keepalive: true, idleMs: 2000, intervalMs: 1000, count: 5 };

const SCENES: Readonly<Record<string, Scene>> = {
  "keepalive probes, and the end by their count": { options: KEEPALIVE, forMs: 10_000 },
  "a user timeout, which replaces that count": {
    options: { ...KEEPALIVE, userTimeoutMs: 5500 },
    forMs: 10_000,
  },
  "a probe on demand, by a shorter idle time": {
    options: { ...KEEPALIVE, idleMs: 60_000, count: 9 },
    nudgeAtMs: 3000,
    forMs: 8000,
  },
  "data in flight, with the kernel's own backoff": {
    options: QUIET,
    writeAtMs: 100,
    forMs: 15_000,
  },
  "data in flight, with a cap on backoff": {
    options: { ...QUIET, rtoMaxMs: 1000 },
    writeAtMs: 100,
    forMs: 10_000,
  },
  "data in flight, ended by a user timeout": {
    options: { ...QUIET, userTimeoutMs: 5000 },
    writeAtMs: 100,
    forMs: 12_000,
  },
  "a closed window, probed ever more rarely": { options: QUIET, isBlocked: true, forMs: 25_000 },
  "data in flight over an outage": {
    options: QUIET,
    writeAtMs: 100,
    healsAtMs: 4000,
    forMs: 10_000,
  },
};

/** Plays the scene on the real kernel. */
async function real({ healsAtMs, ...scene }: Scene): Promise<Noted> {
  await using world = await World.open();
  const network = await world.network();
  const peer = await network.spawn("right", [...PROGRAM, "serve"]);
  await new Promise<void>((resolve) => peer.onLine(() => resolve()));
  const subject = await network.spawn("left", [
    ...PROGRAM,
    network.address("right"),
    JSON.stringify(scene),
  ]);
  const lines: string[] = [];
  subject.onLine((line) => lines.push(line));
  const said = async (count: number): Promise<string> => {
    while (lines.length < count && subject.errors.length === 0) await sleep(20);
    if (subject.errors.length > 0) throw new Error(subject.errors.join("\n"));
    return lines[count - 1] as string;
  };
  await said(1);
  await network.pullCable();
  await subject.write("cut");
  if (healsAtMs !== undefined) {
    await sleep(healsAtMs);
    await network.plugCable();
  }
  return JSON.parse(await said(2)) as Noted;
}

/** Plays the scene on the model, cut at a moment like the real one. */
function modelled(scene: Scene, { ageMs, backoff }: Noted): Change[] {
  const { options, writeAtMs, nudgeAtMs, isBlocked = false, healsAtMs, forMs } = scene;
  let cutAt = Number.POSITIVE_INFINITY;
  const isUp = (now: number): boolean =>
    now < cutAt || (healsAtMs !== undefined && now >= cutAt + healsAtMs);
  const kernel = new KernelModel({ rttMs: 0.1, isUp }, { ...options, keepalive: false });
  kernel.write();
  kernel.run(50);
  if (options.keepalive) kernel.set({ keepalive: true });
  if (isBlocked) {
    kernel.isPeerReading = false;
    kernel.write();
  }
  // The cut comes as long after the last answer as on the real kernel.
  for (let now = 60; cutAt === Number.POSITIVE_INFINITY && now < 20_000; now++) {
    kernel.run(now);
    const info = kernel.info();
    const isAlike = Math.abs((info.lastAckReceivedMs ?? 0) - ageMs) <= 4;
    if (isAlike && info.backoff === backoff) cutAt = now;
  }
  expect(cutAt, `no moment at which the peer was heard ${ageMs} ms ago`).toBeLessThan(20_000);

  const changes: Change[] = [];
  let before = kernel.info();
  for (let atMs = 0; atMs < forMs; atMs += 5) {
    kernel.run(cutAt + atMs);
    if (writeAtMs !== undefined && atMs === writeAtMs) kernel.write();
    if (nudgeAtMs !== undefined && atMs === nudgeAtMs) kernel.set({ idleMs: 1000 });
    const info = kernel.info();
    for (const name of ["probes", "retransmits", "backoff", "totalRetransmits"] as const)
      if ((info[name] ?? 0) > (before[name] ?? 0))
        changes.push({ name, value: info[name] as number, atMs, rtoMs: info.rtoMs });
    if (info.state === "CLOSE") {
      changes.push({ name: "end", value: 1, atMs });
      break;
    }
    before = info;
  }
  return changes;
}

/**
 * Returns the latest real instant of a change. The kernel's timers are late by up to an eighth of
 * their delay, each counted from when the one before went off. A reading, and the cut itself, are
 * late by some 100 ms.
 */
function latestOf({ atMs }: Change): number {
  return atMs * 1.125 + 150;
}

/** The timeouts begin at 200 ms and a few round trips, which a busy machine makes longer. */
function isSameTimeout(one: Change, other: Change): boolean {
  if (one.rtoMs === undefined || other.rtoMs === undefined) return true;
  return Math.abs(one.rtoMs - other.rtoMs) <= 0.15 * one.rtoMs;
}

const isCapped = (scene: Scene): boolean => scene.options.rtoMaxMs !== undefined;
const hasRtoMax = capabilities().rtoMax.available;

await describeWith(["namespaces"], "the kernel's model counts as the kernel does:", () => {
  it.concurrent.for(Object.entries(SCENES))(
    "%s",
    { timeout: 60_000 },
    async ([, scene], context) => {
      if (isCapped(scene) && !hasRtoMax) context.skip("this kernel has no TCP_RTO_MAX_MS");
      const noted = await real(scene);
      const expected = modelled(scene, noted);
      const named = ({ name, value }: Change): string => `${name} ${value}`;
      const expectedNames = expected.map(named);
      const off = noted.changes
        .filter((change) => !expectedNames.includes(named(change)))
        .map((change) => `${named(change)} at ${change.atMs.toFixed(0)} ms: never by the model`);
      let compared = 0;
      for (const change of expected) {
        const seen = noted.changes.find((one) => named(one) === named(change));
        const latestMs = latestOf(change);
        if (!seen && latestMs > scene.forMs) continue; // it may come after the end
        compared++;
        if (!seen || seen.atMs < change.atMs - 50 || seen.atMs > latestMs)
          off.push(`${named(change)}: ${seen?.atMs ?? "never"} ms, by the model ${change.atMs}`);
        else if (!isSameTimeout(change, seen))
          off.push(`${named(change)}: RTO ${seen.rtoMs} ms, by the model ${change.rtoMs}`);
      }
      expect(compared).toBeGreaterThan(3);
      expect(off).toEqual([]);
    },
  );
});
