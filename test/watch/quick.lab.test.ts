import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { outageOf } from "../../src/core/judge/quick-terms.ts";
import type { LabProcess } from "../../src/lab/lab-machine.ts";
import type { Network } from "../../src/lab/network.ts";
import { CALM_GRACE_MS } from "../../src/lab/pressure.ts";
import { World } from "../../src/lab/world.ts";
import { graceMs } from "../setup/grace.ts";
import { describeWith } from "../setup/requires.ts";
import { lengthName, longOrShort } from "../setup/run-length.ts";

const PROGRAM = [process.execPath, new URL("quick.mjs", import.meta.url).pathname];
/** Of every kind: idle and writing, plain and TLS, IPv4 and IPv6. */
const CONNECTIONS = 56;
const CUTS = longOrShort(9, 1);
const OUTAGES = longOrShort(300, 6);
const LOSSY_MS = longOrShort(600_000, 4000);
/** How late a verdict may be on a calm machine. */
const LATE_MS = 50;
/** Time in which peers answer, and phases become random. */
const SETTLE_MS = 1500;
const monotonicMs = (): number => Number(process.hrtime.bigint() / 1000n) / 1000;

interface Told {
  readonly event: "open" | "suspect" | "alive" | "overdue" | "dead";
  readonly id: number;
  readonly atMs: number;
  readonly cause: string;
  readonly certainty: string;
  readonly why: readonly string[];
}

/** Two programs at the ends of a wire, many connections between them. */
class Scene implements AsyncDisposable {
  readonly network: Network;
  readonly peer: LabProcess;
  readonly subject: LabProcess;
  readonly told: Told[] = [];
  readonly #world: World;

  private constructor(world: World, network: Network, peer: LabProcess, subject: LabProcess) {
    this.#world = world;
    this.network = network;
    this.peer = peer;
    this.subject = subject;
    subject.onLine((line) => this.told.push(JSON.parse(line) as Told));
  }

  static async open(detectWithinMs: number): Promise<Scene> {
    const world = await World.open();
    const network = await world.network({ variant: "wire", wire: {} });
    const peer = await network.spawn("right", [...PROGRAM, "serve"]);
    await new Promise<void>((resolve) => peer.onLine(() => resolve()));
    const hosts = [network.address("right"), network.address("right", 6)];
    const subject = await network.spawn(
      "left",
      [...PROGRAM, ...hosts, String(CONNECTIONS), String(detectWithinMs)],
      { unprivileged: true },
    );
    const scene = new Scene(world, network, peer, subject);
    await scene.fill();
    return scene;
  }

  /** Opens the connections that are missing. */
  async fill(): Promise<void> {
    const before = this.#count("open");
    await this.subject.write("open");
    while (this.#count("open") === before) {
      if (this.subject.errors.length > 0) throw new Error(this.subject.errors.join("\n"));
      await sleep(20);
    }
    await sleep(SETTLE_MS * (0.5 + Math.random()));
  }

  deaths(sinceMs = 0): Told[] {
    return this.told.filter(({ event, atMs }) => event === "dead" && atMs >= sinceMs);
  }

  get suspicions(): number {
    return this.#count("suspect");
  }

  /** Cuts the cable for `ms`; returns for how long it was out for certain, and at most. */
  async outage(ms: number): Promise<readonly [leastMs: number, mostMs: number]> {
    const from = monotonicMs();
    await this.network.setWire({ lossOut: 1, lossIn: 1 });
    const to = monotonicMs();
    await sleep(Math.max(0, ms - (monotonicMs() - from)));
    const endFrom = monotonicMs();
    await this.network.setWire({ lossOut: 0, lossIn: 0 });
    return [endFrom - to, monotonicMs() - from];
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#world.close();
  }

  #count(event: Told["event"]): number {
    return this.told.filter((one) => one.event === event).length;
  }
}

function at(sorted: readonly number[], share: number): number {
  return Math.round(sorted[Math.ceil(share * sorted.length) - 1] ?? Number.NaN);
}

await describeWith(["namespaces"], `budgets too short for keepalive (${lengthName})`, () => {
  describe.each([500, 300])("%d ms, with a heartbeat", (detectWithinMs) => {
    const outageMs = outageOf(detectWithinMs);

    it("finds every host that is cut off, at random phases", { timeout: 300_000 }, async () => {
      await using scene = await Scene.open(detectWithinMs);
      const found: number[] = [];
      for (let i = 0; i < CUTS; i++) {
        // Taken before the cut, so that no time looks too good.
        const cutAt = monotonicMs();
        await scene.network.setWire({ lossOut: 1, lossIn: 1 });
        await sleep(detectWithinMs + 1500);
        const dead = scene.deaths(cutAt);
        expect(dead.length).toBe(CONNECTIONS);
        for (const { cause } of dead) expect(cause).toBe("path-silent");
        found.push(...dead.map(({ atMs }) => atMs - cutAt));
        await scene.network.setWire({ lossOut: 0, lossIn: 0 });
        await scene.fill();
      }
      const sorted = found.sort((a, b) => a - b);
      console.log(
        `${detectWithinMs} ms: ${sorted.length} cuts found after ${at(sorted, 0.5)} ms (p50), ${at(sorted, 0.99)} ms (p99), ${at(sorted, 1)} ms (last)`,
      );
      expect(at(sorted, 1)).toBeLessThanOrEqual(
        detectWithinMs + LATE_MS + graceMs() - CALM_GRACE_MS,
      );
    });

    it(`ends no connection for ${OUTAGES} outages of ${outageMs} ms`, {
      timeout: 60_000 + OUTAGES * 3000,
    }, async () => {
      await using scene = await Scene.open(detectWithinMs);
      let [kept, longest] = [0, 0];
      for (let i = 0; i < OUTAGES; i++) {
        const before = scene.deaths().length;
        const [, mostMs] = await scene.outage(outageMs - 10);
        await sleep(1000 + Math.random() * detectWithinMs);
        const deaths = scene.deaths().length - before;
        // A busy machine mends the cable late: then the outage was longer than is promised.
        if (mostMs > outageMs) {
          if (deaths > 0) await scene.fill();
          continue;
        }
        expect(deaths).toBe(0);
        kept++;
        longest = Math.max(longest, mostMs);
      }
      console.log(
        `${detectWithinMs} ms: ${kept} outages survived by ${CONNECTIONS} connections, the longest of ${Math.round(longest)} ms; ${OUTAGES - kept} were longer than ${outageMs} ms; ${scene.suspicions} suspicions`,
      );
      expect(kept).toBeGreaterThan(OUTAGES / 3);
    });

    it.each(longOrShort([0.01, 0.05], [0.05]))(
      `ends no connection in ${LOSSY_MS / 1000} s of a loss of %d each way`,
      { timeout: LOSSY_MS + 60_000 },
      async (loss) => {
        await using scene = await Scene.open(detectWithinMs);
        await scene.network.setWire({ lossOut: loss, lossIn: loss });
        await sleep(LOSSY_MS);
        const counts = await scene.network.setWire({});
        expect(scene.deaths()).toEqual([]);
        console.log(
          `${detectWithinMs} ms, ${100 * loss} % lost: ${counts.out.lost + counts.in.lost} packets, ${scene.suspicions} suspicions`,
        );
      },
    );

    it("ends no connection when a process stands still: ours, or the peer's for less than the budget", {
      timeout: 90_000,
    }, async () => {
      await using scene = await Scene.open(detectWithinMs);
      for (const ms of [50, 200, 1000]) {
        await scene.subject.write(`block ${ms}`);
        await sleep(ms + 1000);
      }
      await scene.subject.write("collect");
      await sleep(2000);
      await scene.subject.signal("SIGSTOP");
      await sleep(5000);
      await scene.subject.signal("SIGCONT");
      await sleep(2000);
      for (let i = 0; i < longOrShort(10, 4); i++) {
        await scene.peer.signal("SIGSTOP");
        await sleep(100);
        await scene.peer.signal("SIGCONT");
        await sleep(300 + Math.random() * detectWithinMs);
      }
      await scene.network.setWire({ delayMs: 30 });
      await sleep(3000);
      expect(scene.deaths()).toEqual([]);
    });

    it("finds a peer's process that hangs", { timeout: 60_000 }, async () => {
      await using scene = await Scene.open(detectWithinMs);
      const stoppedAt = monotonicMs();
      await scene.peer.signal("SIGSTOP");
      await sleep(detectWithinMs + 1500);
      await scene.peer.signal("SIGCONT");
      const dead = scene.deaths(stoppedAt);
      expect(dead.length).toBe(CONNECTIONS);
      for (const { cause } of dead) expect(cause).toBe("peer-hung");
      const times = dead.map(({ atMs }) => atMs - stoppedAt).sort((a, b) => a - b);
      console.log(
        `${detectWithinMs} ms: hung, found after ${at(times, 0.5)} to ${at(times, 1)} ms`,
      );
      expect(at(times, 1)).toBeLessThanOrEqual(
        detectWithinMs + LATE_MS + graceMs() - CALM_GRACE_MS,
      );
    });
  });
});
