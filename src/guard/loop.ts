import { setTimeout as sleep } from "node:timers/promises";
import type { SystemPort } from "../kernel/port/port.ts";
import { KnownNamespaces } from "../survey/known-namespaces.ts";
import { HANGING_STATES, takeSurvey } from "../survey/survey.ts";
import type { GuardEngine } from "./engine.ts";
import { Glances } from "./glances.ts";
import type { LinuxGuardWorld } from "./linux-world.ts";

/**
 * Gives a guard its clock: a survey every `sweepMs`, and the checks that are due in between. One
 * timer serves all.
 */
export class GuardLoop {
  /** Surveys taken since the start. */
  surveys = 0;
  /** The time that the last survey took of this thread, ms. */
  lastSurveyMs = 0;
  readonly #options: GuardLoopOptions;
  readonly #problems: Set<string> = new Set();
  readonly #known: KnownNamespaces = new KnownNamespaces();
  /** `null`: the only namespace is listed each time. */
  readonly #glances: Glances | null;
  #timer: NodeJS.Timeout | null = null;
  #expectedAt = 0;
  #surveyAt = 0;

  constructor(options: GuardLoopOptions) {
    this.#options = options;
    const { engine, world, allNamespaces } = options;
    this.#glances = allNamespaces
      ? new Glances({ inCare: () => engine.inCare(), diagOf: (index) => world.diagOf(index) })
      : null;
  }

  /**
   * Takes the first survey at once, and the others by a timer.
   *
   * @throws HalfOpenError when this machine's sockets cannot be listed at all
   */
  start(): void {
    this.#surveyAt = performance.now();
    this.#survey();
    this.#arm();
  }

  /**
   * Gives settings back, see {@link GuardEngine.stop}. Tries again for half a second, so that
   * answers that are under way arrive.
   */
  async stop(keepsSettings = false): Promise<void> {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;

    const { engine, world } = this.#options;
    for (let tries = 1; !engine.stop(keepsSettings) && tries < STOP_TRIES; tries++)
      await sleep(STOP_AGAIN_MS);
    world.close();
  }

  #onTimer(): void {
    const now = performance.now();
    const lateMs = now - this.#expectedAt;
    if (lateMs > STALL_MS) this.#options.engine.stalled(now, lateMs);

    if (now >= this.#surveyAt) {
      try {
        this.#survey();
      } catch (error) {
        this.#report((error as Error).message);
      }
    }
    this.#arm();
  }

  #survey(): void {
    const { port, world, engine, sweepMs, onSurvey, allNamespaces = false } = this.#options;
    const startedAt = performance.now();
    this.#surveyAt = startedAt + sweepMs;

    const states = [...HANGING_STATES, "LISTEN"] as const;
    const glances = this.#glances;
    glances?.begin();
    const request = { states, withInfo: true, filter: [], allNamespaces };
    const { table, namespaces, problems } = takeSurvey(
      port,
      glances
        ? { ...request, glance: (index, it) => glances.glance(index, it, performance.now()) }
        : request,
      this.#known,
    );

    world.enter(namespaces);
    const isThere = (index: number): boolean => namespaces.has(index);
    glances?.end(table, isThere);
    engine.survey(table, startedAt, {
      isThere,
      isListed: (index) => glances?.isListed(index) ?? true,
      readAt: (index) => glances?.readAt(index) ?? startedAt,
    });

    this.surveys++;
    this.lastSurveyMs = performance.now() - startedAt;
    for (const problem of problems) this.#report(problem);
    onSurvey?.();
  }

  #arm(): void {
    const due = this.#options.engine.advance(performance.now());
    this.#expectedAt = Math.max(performance.now(), Math.min(due, this.#surveyAt));
    this.#timer = setTimeout(() => this.#onTimer(), this.#expectedAt - performance.now());
  }

  #report(problem: string): void {
    // Paths and numbers change from survey to survey, and make no new problem.
    const topic = problem.replace(/\/\S+|\d+/g, "");
    if (this.#problems.has(topic)) return;
    this.#problems.add(topic);
    this.#options.onProblem(problem);
  }
}

export interface GuardLoopOptions {
  readonly port: SystemPort;
  readonly world: LinuxGuardWorld;
  readonly engine: GuardEngine;
  /** Covers every network namespace of the machine; default: the one that this process is in. */
  readonly allNamespaces?: boolean;
  /** The time between two surveys, ms. */
  readonly sweepMs: number;
  /** Called with parts of the machine that could not be seen, once for each. */
  readonly onProblem: (problem: string) => void;
  /** Called after each survey. */
  readonly onSurvey?: () => void;
}

/** A timer later than this shows that this process, or the machine, stood still. */
const STALL_MS = 500;

/** A guard that is stopped tries for half a second to give everything back. */
const STOP_TRIES = 6;
const STOP_AGAIN_MS = 100;
