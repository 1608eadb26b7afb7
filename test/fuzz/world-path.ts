import type { Path } from "../core/judge/kernel-model.ts";
import { goneAt, isLossy, lossAt, rttAt, type World } from "./world.ts";

/** The path of one connection of a world. Its instants are those of the process. */
export class WorldPath implements Path {
  readonly rttMs: number;
  /** When packets were lost by chance, in the world's time. */
  readonly lostAt: number[] = [];
  /** When packets left that call for an answer; kept in a world that loses some. */
  readonly leftAt: number[] = [];
  readonly #world: World;
  readonly #from: number;
  readonly #random: () => number;
  readonly #goneAt: number;
  readonly #isLossy: boolean;
  readonly #rebootedAt: number;

  /** `from`: the instant at which the world begins. */
  constructor(world: World, on: number, from: number, random: () => number) {
    this.rttMs = world.rttMs;
    this.#world = world;
    this.#from = from;
    this.#random = random;
    this.#goneAt = goneAt(world, on);
    this.#isLossy = isLossy(world);
    const reboots = world.events.map((it) =>
      it.is === "reboot" ? it.toMs : Number.POSITIVE_INFINITY,
    );
    this.#rebootedAt = Math.min(...reboots, Number.POSITIVE_INFINITY);
  }

  rttAt(now: number): number {
    return rttAt(this.#world, now - this.#from);
  }

  isUp(now: number): boolean {
    const at = now - this.#from;
    if (this.#isLossy) this.leftAt.push(at);
    if (this.#isGone(at) || this.#isOut(at, "out") || this.#isOut(at, "back")) return false;
    return this.#passes(at, 2);
  }

  isUpBack(now: number): boolean {
    const at = now - this.#from;
    return at < this.#goneAt && !this.#isOut(at, "back") && this.#passes(at, 1);
  }

  isUpOut(now: number): boolean {
    const at = now - this.#from;
    return at < this.#goneAt && !this.#isOut(at, "out") && this.#passes(at, 1);
  }

  isBareUp(now: number): boolean {
    const at = now - this.#from;
    for (const event of this.#world.events)
      if (event.is === "deaf" && at >= event.atMs && at < event.toMs) return false;
    return true;
  }

  isSendable(now: number): boolean {
    const at = now - this.#from;
    for (const event of this.#world.events)
      if (event.is === "stuck" && at >= event.atMs && at < event.toMs) return false;
    return true;
  }

  #isGone(at: number): boolean {
    return at >= this.#goneAt && at < this.#rebootedAt;
  }

  #isOut(at: number, way: "out" | "back"): boolean {
    for (const event of this.#world.events)
      if (
        event.is === "outage" &&
        at >= event.atMs &&
        at < event.toMs &&
        (event.way === "both" || event.way === way)
      )
        return true;
    return false;
  }

  #passes(at: number, ways: 1 | 2): boolean {
    const loss = lossAt(this.#world, at);
    if (loss === 0) return true;
    const isLost = this.#random() >= (1 - loss) ** ways;
    if (isLost) this.lostAt.push(at);
    return !isLost;
  }
}
