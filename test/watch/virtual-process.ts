import type { Socket } from "node:net";
import { vi } from "vitest";
import type { Diagnosis } from "../../src/core/diagnosis.ts";
import type { SystemPort } from "../../src/kernel/port/port.ts";
import type { watch as Watch } from "../../src/watch/watch.ts";
import {
  KernelModel,
  type ModelOptions,
  type ModelWorld,
  type Path,
} from "../core/judge/kernel-model.ts";
import { ModelPort } from "./model-port.ts";

/** The options that a program has set before anybody watches. */
export const PROGRAM: ModelOptions = {
  keepalive: false,
  idleMs: 7_200_000,
  intervalMs: 75_000,
  count: 9,
  userTimeoutMs: 0,
  rtoMaxMs: 120_000,
};

/** One event of a watcher. */
export interface Told {
  readonly event: "suspect" | "overdue" | "alive" | "dead" | "close";
  readonly atMs: number;
  readonly diagnosis: Diagnosis;
}

export interface Connected {
  readonly socket: Socket;
  readonly kernel: KernelModel;
  /** The instant of the process at which the connection was made. */
  readonly from: number;
}

interface Connecting {
  readonly program: Partial<ModelOptions>;
  readonly world: ModelWorld;
  readonly peer: number;
  readonly local: number;
}

let port: ModelPort | null = null;

/** Stands in for kernel/port/open-port.ts. */
export const modelledPort = {
  openPort: (): SystemPort | null => port?.asPort ?? null,
  whyNoPort: (): string | null => (port ? null : "no virtual process has started"),
};

/** Stands in for kernel/clock.ts: the globals of the moment, which are virtual. */
const modelledClock = {
  startTimer: (run: () => void, ms: number): NodeJS.Timeout => setTimeout(run, ms),
  stopTimer: (timer: NodeJS.Timeout): void => clearTimeout(timer),
  afterPoll: (run: () => void): NodeJS.Immediate => setImmediate(run),
  nextTick: process.nextTick,
  monotonicMs: (): number => performance.now(),
  wallClockMs: (): number => Date.now(),
};

/** How long the machine has slept: the monotonic clock stood still, the others went on. */
let sleptMs = 0;

/**
 * A process in virtual time whose sockets have the kernel's model below them. `watch` itself runs
 * in it, with its engine, records and options; nothing of it is stood in for but the port and the
 * clock. A test file that uses it mocks kernel/port/open-port.ts by {@link modelledPort}.
 */
export class VirtualProcess {
  readonly watch: typeof Watch;
  #peers = 0;

  private constructor(watch: typeof Watch) {
    this.watch = watch;
  }

  static async start({ hasRtoCap = true } = {}): Promise<VirtualProcess> {
    vi.useFakeTimers({
      now: 0,
      toFake: [
        "setTimeout",
        "clearTimeout",
        "setImmediate",
        "clearImmediate",
        "performance",
        "Date",
      ],
    });
    port = new ModelPort(hasRtoCap);
    sleptMs = 0;
    vi.doMock("../../src/kernel/clock.ts", () => modelledClock);
    vi.doMock("../../src/kernel/system/boot-clock.ts", () => ({
      bootClock: () => performance.now() + sleptMs,
    }));
    vi.resetModules(); // the engine begins with the virtual clock
    const { watch } = await import("../../src/watch/watch.ts");
    return new VirtualProcess(watch);
  }

  /** The machine sleeps for `ms`, of which the monotonic clock knows nothing. */
  suspend(ms: number): void {
    sleptMs += ms;
    vi.setSystemTime(Date.now() + ms);
  }

  /**
   * A socket over `path`, whose instants count from now on. Its peer is a host of its own, reached
   * from an address of its own, or the `peer` and the `local` address of these numbers.
   */
  connect(path: Path, { program = {}, world = {}, ...ends }: Partial<Connecting> = {}): Connected {
    const from = performance.now();
    const { queuedMs } = path;
    const kernel = new KernelModel(
      {
        ...path,
        isUp: (now) => path.isUp(now - from),
        ...(queuedMs && { queuedMs: (now) => queuedMs(now - from) }),
      },
      { ...PROGRAM, ...program },
      world,
    );
    kernel.run(from);
    const { peer = ++this.#peers, local = peer } = ends;
    const socket = (port as ModelPort).connect(kernel, peer, local);
    socket.on("error", () => {}); // the program's own handler
    return { socket, kernel, from };
  }

  /** The program writes, `atMs` after it connected. */
  writeAt({ socket, kernel, from }: Connected, atMs: number): void {
    setTimeout(
      () => {
        if (socket.destroyed) return;
        kernel.run(performance.now());
        kernel.write();
      },
      from + atMs - performance.now(),
    );
  }

  /** Does something later. */
  at(connected: Connected, atMs: number, work: () => void): void {
    setTimeout(work, connected.from + atMs - performance.now());
  }

  /** Lets the process live until `ms` after the connection was made. */
  async runTo({ from }: Connected, ms: number): Promise<void> {
    await vi.advanceTimersByTimeAsync(Math.max(0, from + ms - performance.now()));
  }

  /** Ends the virtual time. */
  end(): void {
    port = null;
    vi.doUnmock("../../src/kernel/clock.ts");
    vi.useRealTimers();
  }
}

/**
 * Returns a heartbeat that is written to the kernel, and answered by the peer's process once it has
 * arrived. `answersIn`: how long the process takes for what arrives now; `null`: for ever. `isOver`:
 * nobody waits for an answer any more.
 */
export function heartbeatOver(
  kernel: KernelModel,
  answersIn: () => number | null,
  isOver: () => boolean = () => false,
): () => Promise<void> {
  const delivered = (): number => {
    kernel.run(performance.now());
    return kernel.info().deliveredSegments ?? 0;
  };
  return () =>
    new Promise((resolve) => {
      const before = delivered();
      kernel.write();
      const look = (): void => {
        if (delivered() === before) {
          if (!isOver()) setTimeout(look, POLL_MS);
          return;
        }
        const answer = answersIn();
        if (answer !== null) setTimeout(resolve, answer);
      };
      setTimeout(look, POLL_MS);
    });
}

const POLL_MS = 10;
