import type { Socket } from "node:net";
import { seededRandom } from "../../src/testing/seeded-random.ts";
import type { Applied } from "../../src/watch/applied.ts";
import type { watch as Watch } from "../../src/watch/watch.ts";
import type { Watcher } from "../../src/watch/watcher.ts";
import { KernelModel } from "../core/judge/kernel-model.ts";
import type { ModelPort } from "../watch/model-port.ts";
import { type AtTheEnd, findWithinMs, isOrdinaryGap } from "./promise.ts";
import type { Life, Run, Word } from "./run.ts";
import type { VirtualTime } from "./virtual-time.ts";
import { eventsOf, goneAt, LONGEST_MS, type ProgramOptions, type World } from "./world.ts";
import { WorldPath } from "./world-path.ts";

/** The real watch over the model of the kernel, in virtual time; one for each kind of kernel. */
export class ModelProcess {
  readonly port: ModelPort;
  readonly #time: VirtualTime;
  readonly #watch: typeof Watch;
  #worlds = 0;

  constructor(time: VirtualTime, port: ModelPort, watch: typeof Watch) {
    this.#time = time;
    this.port = port;
    this.#watch = watch;
  }

  /** Runs a world to its end. */
  async run(world: World): Promise<Run> {
    // Every world begins like the first one: long after the last one, in step with common checks.
    const stepMs = 1000 * Math.max(80, Math.min(1000, Math.floor((world.budgetMs - 2500) / 8)));
    this.#time.runTo(Math.ceil((this.#time.now + REST_MS) / stepMs) * stepMs);
    const random = seededRandom(world.seed);
    this.#time.seed(random);
    const running = new RunningWorld(
      world,
      this.#time,
      this.port,
      this.#watch,
      ++this.#worlds,
      random,
    );
    return running.run();
  }
}

const REST_MS = 60_000;
const OUR_ADDRESS = 1;

/** A connection while its world runs. */
interface Living {
  readonly on: number;
  readonly kernel: KernelModel;
  readonly path: WorldPath;
  readonly socket: Socket;
  readonly watcher: Watcher;
  readonly life: Life;
  /** What was known of the peer's answers when its window last closed. */
  gapBeforeClosingMs: number;
}

class RunningWorld {
  readonly #world: World;
  readonly #time: VirtualTime;
  readonly #from: number;
  readonly #living: Living[];
  /** What happens outside of our process, in the order of its instants. */
  readonly #timeline: { readonly atMs: number; readonly happen: () => void }[] = [];
  #isUnsettled = false;
  /** Our process stands still until then; 0: it does not. */
  #pausedUntilMs = 0;
  #untilMs: number;

  constructor(
    world: World,
    time: VirtualTime,
    port: ModelPort,
    watch: typeof Watch,
    peer: number,
    random: () => number,
  ) {
    this.#world = world;
    this.#time = time;
    this.#from = time.now;
    this.#untilMs = world.forMs;
    this.#living = world.connections.map((_, on) => this.#connect(on, port, watch, peer, random));
  }

  async run(): Promise<Run> {
    this.#lay();
    for (const { atMs, happen } of this.#timeline) {
      if (atMs > this.#untilMs) break;
      this.#live(atMs);
      if (this.#isUnsettled) await this.#settle();
      happen();
      if (this.#living.every(({ life }) => life.endedAtMs !== null)) break;
    }
    if (this.#living.some(({ life }) => life.endedAtMs === null)) this.#live(this.#untilMs);
    await this.#end();
    return { lives: this.#living.map(({ life }) => life) };
  }

  #connect(
    on: number,
    port: ModelPort,
    watch: typeof Watch,
    peer: number,
    random: () => number,
  ): Living {
    const world = this.#world;
    const path = new WorldPath(world, on, this.#from, random);
    const isDuring = (kind: "deaf" | "hung", now: number): boolean =>
      world.events.some(
        (it) => it.is === kind && now >= this.#from + it.atMs && now < this.#from + it.toMs,
      );
    const reboots = world.events.flatMap((it) =>
      it.is === "reboot" ? [this.#from + it.toMs] : [],
    );
    const kernel = new KernelModel(path, optionsOf(world.program), {
      bornAtMs: this.#from,
      answersEveryMs: world.answersEveryMs,
      answersProbes: (now) => !isDuring("deaf", now),
      repliesAt: (now) => (world.connections[on]?.isAnswered ?? false) && !isDuring("hung", now),
      resetsFromMs: Math.min(...reboots, Number.POSITIVE_INFINITY),
    });
    const socket = port.connect(kernel, peer, OUR_ADDRESS);
    socket.on("error", () => {});
    // The event loop tells the program what the kernel has done.
    kernel.onClosed = () => {
      setImmediate(() => socket.destroy(Object.assign(new Error("ended"), { code: kernel.error })));
      this.#isUnsettled = true;
    };
    const life: Life = {
      words: [],
      endedAtMs: null,
      isKernels: false,
      atTheEnd: null,
      lostAt: path.lostAt,
      leftAt: path.leftAt,
    };
    const watcher = watch(socket, { detectWithinMs: world.budgetMs, onDead: world.onDead });
    for (const event of ["suspect", "overdue", "alive", "dead", "close"] as const)
      watcher.on(event, (diagnosis) => {
        this.#isUnsettled = true;
        const atMs = this.#time.now - this.#from;
        life.words.push(wordOf(event, atMs, diagnosis));
        if ((event !== "dead" && event !== "close") || life.endedAtMs !== null) return;
        life.isKernels = kernel.error !== null;
        life.endedAtMs = life.isKernels ? kernel.closedAt - this.#from : atMs;
      });
    return { on, kernel, path, socket, watcher, life, gapBeforeClosingMs: 0 };
  }

  /** Lays out what happens, and what our program does. */
  #lay(): void {
    for (const living of this.#living) {
      this.#layTalk(living);
      const at = goneAt(this.#world, living.on);
      if (at < Number.POSITIVE_INFINITY) this.#later(at, () => this.#gone(living));
    }
    for (const event of this.#world.events) {
      if (event.is === "unread") {
        if (event.atMs >= goneAt(this.#world, event.on)) continue;
        const living = this.#living[event.on] as Living;
        const { kernel } = living;
        this.#later(event.atMs, () => {
          kernel.run(this.#from + event.atMs);
          kernel.isPeerReading = false;
          living.gapBeforeClosingMs = kernel.leastAnswerGapMs;
        });
        this.#later(event.toMs, () => {
          kernel.run(this.#from + event.toMs);
          kernel.reopen();
        });
      } else if (event.is === "write")
        this.#ours(event.atMs, () => this.#write(this.#living[event.on] as Living));
      else if (event.is === "keepalive") this.#ours(event.atMs, () => this.#setKeepalive(event));
      else if (event.is === "paused")
        this.#later(event.atMs, () => {
          this.#pausedUntilMs = Math.max(this.#pausedUntilMs, event.toMs);
          this.#stoodStill(event.atMs, true);
        });
      if (event.is === "paused") this.#later(event.toMs, () => {});
    }
    const stepMs = Math.max(500, this.#world.budgetMs / 4);
    for (let atMs = stepMs; atMs < LONGEST_MS; atMs += stepMs)
      this.#later(atMs, () => this.#sample());
    this.#timeline.sort((a, b) => a.atMs - b.atMs);
  }

  #layTalk(living: Living): void {
    const { writeEveryMs, peerWritesEveryMs } = this.#world.connections[living.on] ?? {
      writeEveryMs: 0,
      peerWritesEveryMs: 0,
    };
    if (writeEveryMs > 0) {
      const write = (): void => {
        if (living.life.endedAtMs !== null) return;
        this.#write(living);
        setTimeout(write, writeEveryMs);
      };
      setTimeout(write, writeEveryMs);
    }
    if (peerWritesEveryMs === 0) return;
    const hangs = eventsOf(this.#world, "hung");
    const goneMs = goneAt(this.#world, living.on);
    living.kernel.peerTalks(peerWritesEveryMs, (now) => {
      const at = now - this.#from;
      return at < goneMs && !hangs.some(({ atMs, toMs }) => at >= atMs && at < toMs);
    });
  }

  /** Lives until `atMs`; while our process stands still, only the kernel and the peer do. */
  #live(atMs: number): void {
    if (atMs < this.#pausedUntilMs) return;
    if (this.#pausedUntilMs > 0) {
      this.#stoodStill(this.#pausedUntilMs, false);
      this.#time.standStillUntil(this.#from + this.#pausedUntilMs);
    }
    this.#pausedUntilMs = 0;
    this.#time.runTo(this.#from + atMs);
  }

  #stoodStill(atMs: number, isStanding: boolean): void {
    for (const { kernel } of this.#living) {
      kernel.run(this.#from + atMs);
      kernel.stoodStill(isStanding);
    }
  }

  #gone(living: Living): void {
    const { watcher, kernel, life, on } = living;
    if (life.endedAtMs !== null) return;
    kernel.run(this.#from + goneAt(this.#world, on));
    // A sibling shows whether the peer answers each probe, but not how often it does. A connection
    // whose own probes went unanswered while data passed, as trouble on the path makes them, does
    // not believe it.
    const isTroubled =
      this.#world.events.some(({ is }) => TROUBLES.has(is)) || this.#world.loss > 0;
    const siblingsMs = Math.min(...this.#living.map((it) => it.kernel.leastAnswerGapMs));
    const isOwn = !isOrdinaryGap(this.#world, siblingsMs) || isTroubled;
    const gapMs = isOwn ? kernel.leastAnswerGapMs : siblingsMs;
    life.atTheEnd = {
      detectWithinMs: watcher.applied?.detectWithinMs ?? null,
      // Answers to window probes show it too, but not all of them: the rarer ones are far apart.
      leastAnswerGapMs: Math.max(gapMs, living.gapBeforeClosingMs),
    };
    this.#lastUntilFound(on, life.atTheEnd);
  }

  #lastUntilFound(on: number, known: AtTheEnd): void {
    const withinMs = findWithinMs(this.#world, on, known) ?? 0;
    const foundBy = goneAt(this.#world, on) + withinMs + 100;
    this.#untilMs = Math.min(LONGEST_MS, Math.max(this.#untilMs, foundBy));
  }

  #sample(): void {
    if (this.#pausedUntilMs > 0) return;
    for (const { on, watcher, life } of this.#living) {
      if (life.endedAtMs !== null) continue;
      life.words.push(wordOf("now", this.#time.now - this.#from, watcher.diagnosis));
      // What is learned after the end was heard before it.
      if (life.atTheEnd === null) continue;
      life.atTheEnd = learnedBy(life.atTheEnd, watcher.applied);
      this.#lastUntilFound(on, life.atTheEnd);
    }
  }

  #write({ kernel, life }: Living): void {
    if (life.endedAtMs !== null) return;
    kernel.run(this.#time.now);
    kernel.write();
  }

  #setKeepalive({ on, idleS }: { readonly on: number; readonly idleS: number }): void {
    const { kernel, life } = this.#living[on] as Living;
    if (life.endedAtMs !== null) return;
    kernel.run(this.#time.now);
    if (idleS === 0) kernel.set({ keepalive: false });
    else kernel.set({ keepalive: true, idleMs: 1000 * idleS });
  }

  #later(atMs: number, happen: () => void): void {
    this.#timeline.push({ atMs, happen });
  }

  /** What our program does comes late when our process stands still. */
  #ours(atMs: number, work: () => void): void {
    setTimeout(work, atMs);
  }

  async #settle(): Promise<void> {
    this.#isUnsettled = false;
    await this.#time.settle();
  }

  async #end(): Promise<void> {
    for (const { watcher, socket, life } of this.#living) {
      life.endedAtMs ??= Number.POSITIVE_INFINITY;
      watcher.removeAllListeners();
      watcher.close();
      socket.destroy();
    }
    await this.#time.settle();
  }
}

function wordOf(event: Word["event"], atMs: number, it: Watcher["diagnosis"]): Word {
  const { state, cause, certainty, silentForMs } = it;
  return {
    event,
    atMs,
    state,
    cause,
    certainty,
    silentForMs,
    attempts: it.evidence.unansweredAttempts,
    lossRatio: it.evidence.lossRatio,
  };
}

function learnedBy(known: AtTheEnd, applied: Applied | null): AtTheEnd {
  const [before, now] = [known.detectWithinMs, applied?.detectWithinMs];
  if (!before || !now) return known;
  const later = (of: keyof typeof now): number | null =>
    before[of] === null ? null : Math.max(before[of], now[of] ?? 0);
  const detectWithinMs = {
    idle: later("idle"),
    inFlight: later("inFlight"),
    closedWindow: later("closedWindow"),
  };
  return { ...known, detectWithinMs };
}

function optionsOf({ keepalive, userTimeoutMs }: ProgramOptions) {
  const { idleS, intervalS, count } = keepalive ?? { idleS: 7200, intervalS: 75, count: 9 };
  return {
    keepalive: keepalive !== null,
    idleMs: 1000 * idleS,
    intervalMs: 1000 * intervalS,
    count,
    userTimeoutMs,
    rtoMaxMs: 120_000,
  };
}

const TROUBLES: ReadonlySet<string> = new Set(["outage", "stuck", "delay", "loss", "deaf"]);
