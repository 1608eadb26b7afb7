import { setTimeout as sleep } from "node:timers/promises";
import { CALM, type Judged } from "../core/cause/diagnose.ts";
import { HalfOpenError } from "../core/errors.ts";
import { ORDINARY_ANSWERS } from "../core/judge/answers.ts";
import { Liveness } from "../core/judge/liveness.ts";
import { flowOf, heardAgeMs } from "../core/judge/reading.ts";
import type { TcpInfo } from "../core/tcp-info.ts";
import type { Instant } from "../core/time/instant.ts";
import { beginProbing, NUDGE_IDLE_MS, nudgeDescriptor } from "../kernel/nudge.ts";
import {
  applyOptions,
  type ConnectionOptions,
  isSameOptions,
  readOptions,
} from "../kernel/options/connection-options.ts";
import { readUserTimeout } from "../kernel/options/user-timeout.ts";
import type { SystemPort } from "../kernel/port/port.ts";
import { ForeignProcess } from "../kernel/process/pidfd.ts";
import { sampleTcpInfo } from "../kernel/tcp-info/tcp-info.ts";

/** A connection of another process that shall be asked whether its peer is there. */
export interface NudgeTarget {
  readonly pid: number;
  readonly fd: number;
  /** As SO_COOKIE tells it: the descriptor may be another socket by now. */
  readonly cookie: Uint8Array;
  readonly key: number;
}

/** What came of the probes. */
export interface Nudged {
  readonly judged: Judged;
  readonly info: TcpInfo;
  /**
   * From the first probe to the answer; `null` without one. To the few ms at which it is looked
   * for.
   */
  readonly answeredAfterMs: number | null;
}

/** A round asks some 50 times at most, and the kernel counts to 127. */
const MOST_UNANSWERED = 60;
const LOOK_EVERY_MS = 20;
/** Beyond the budget for the last look. */
const GRACE_MS = 1500;

interface Asked {
  readonly target: NudgeTarget;
  readonly process: ForeignProcess;
  readonly saved: ConnectionOptions;
  /** The options that the connection has while it is asked. */
  readonly meanwhile: ConnectionOptions;
  readonly liveness: Liveness;
  judged: Judged;
  readonly startedAt: Instant;
  info: TcpInfo;
  answeredAt: Instant | null;
}

/**
 * Sends keepalive probes on other processes' quiet connections and waits for the answers, at most
 * the budget and {@link GRACE_MS}. No protocol is touched; keepalive is switched on for the time of
 * asking and then put back. Connections with a user timeout are left alone: there an unanswered
 * probe could end them (measured on 6.18).
 */
export class NudgeRound {
  readonly #port: SystemPort;
  readonly #budgetMs: number;
  readonly #processes: Map<number, ForeignProcess | number> = new Map();
  readonly #open: Map<number, Asked> = new Map();
  readonly #done: Map<number, Nudged> = new Map();

  constructor(port: SystemPort, budgetMs: number) {
    this.#port = port;
    this.#budgetMs = budgetMs;
  }

  /** By the targets' keys; what could not be asked, or ended meanwhile, is left out. */
  async ask(targets: Iterable<NudgeTarget>): Promise<ReadonlyMap<number, Nudged>> {
    try {
      for (const target of targets) this.#start(target);
      const giveUpAt = performance.now() + this.#budgetMs + GRACE_MS;
      while (this.#open.size > 0 && performance.now() < giveUpAt) {
        await sleep(LOOK_EVERY_MS);
        for (const asked of [...this.#open.values()]) this.#look(asked);
      }
    } finally {
      this.stop();
    }
    return this.#done;
  }

  /** Puts every option back; also for when the program is interrupted. */
  stop(): void {
    for (const asked of [...this.#open.values()]) this.#finish(asked);
    for (const process of this.#processes.values())
      if (typeof process !== "number") process.close();
    this.#processes.clear();
  }

  #start(target: NudgeTarget): void {
    const process = this.#processOf(target.pid);
    if (typeof process === "number") return;
    const now = performance.now();
    const asked = reach(process, target, (fd): Asked | null => {
      const info = readInfo(fd);
      const silentForMs = info ? (heardAgeMs(info) ?? 0) : 0;
      if (
        !info ||
        flowOf(info) !== "idle" ||
        silentForMs < NUDGE_IDLE_MS ||
        readUserTimeout(fd) !== 0
      )
        return null;
      if ((info.probes ?? 0) > MOST_UNANSWERED) return null;
      const saved = readOptions(fd);
      const meanwhile = beginProbing(fd, saved);
      const liveness = new Liveness(
        { budgetMs: this.#budgetMs, rtoMaxMs: null, answers: ORDINARY_ANSWERS },
        now,
      );
      liveness.nudged(now);
      return {
        target,
        process,
        saved,
        meanwhile,
        liveness,
        judged: CALM,
        startedAt: now,
        info,
        answeredAt: null,
      };
    });
    if (asked) this.#open.set(target.key, asked);
  }

  #look(asked: Asked): void {
    const now = performance.now();
    const { liveness, startedAt } = asked;
    const info = reach(asked.process, asked.target, readInfo);
    if (!info) {
      this.#open.delete(asked.target.key); // ended meanwhile: nothing is left to restore
      return;
    }
    asked.info = info;
    const judgement = liveness.observe(now, info);
    asked.judged = judgement;
    const heardAt = now - (heardAgeMs(info) ?? Number.POSITIVE_INFINITY);
    if (heardAt > startedAt) asked.answeredAt = heardAt;
    if (asked.answeredAt !== null || judgement.state === "dead" || judgement.flow !== "idle") {
      this.#finish(asked);
      return;
    }
    if (!judgement.wants.nudge) return;
    const isNudged = reach(asked.process, asked.target, (fd) => {
      if (!isSameOptions(readOptions(fd), asked.meanwhile)) return null;
      nudgeDescriptor(fd);
      return true;
    });
    if (isNudged) liveness.nudged(now);
    else this.#finish(asked); // the program set options of its own, or the connection ended
  }

  #finish(asked: Asked): void {
    const { judged, info, answeredAt, startedAt } = asked;
    this.#open.delete(asked.target.key);
    const isThere = reach(asked.process, asked.target, (fd) => {
      // Options that the program changed meanwhile stay.
      const now = readOptions(fd);
      if (isSameOptions(now, asked.meanwhile)) applyOptions(fd, now, asked.saved);
      return fd;
    });
    if (isThere === null) return;
    this.#done.set(asked.target.key, {
      judged,
      info,
      answeredAfterMs: answeredAt === null ? null : Math.max(0, answeredAt - startedAt),
    });
  }

  #processOf(pid: number): ForeignProcess | number {
    let process = this.#processes.get(pid);
    if (process === undefined) {
      process = ForeignProcess.open(this.#port, pid);
      this.#processes.set(pid, process);
    }
    return process;
  }
}

function readInfo(fd: number): TcpInfo | null {
  const info = sampleTcpInfo(fd);
  return typeof info === "number" || info.state === "CLOSE" ? null : info;
}

/**
 * `null`: the socket cannot be reached any more, or the kernel refused an option of it because it
 * ended.
 */
function reach<T>(
  process: ForeignProcess,
  { fd, cookie }: NudgeTarget,
  work: (fd: number) => T | null,
): T | null {
  try {
    const result = process.withSocket(fd, cookie, (duplicate) => ({ result: work(duplicate) }));
    return typeof result === "number" ? null : result.result;
  } catch (error) {
    if (error instanceof HalfOpenError) return null;
    throw error;
  }
}
