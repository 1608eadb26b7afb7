import { Answers } from "../../../src/core/judge/answers.ts";
import { backstopProbes, LOOSEST_COUNT } from "../../../src/core/judge/backstop.ts";
import type { Judgement } from "../../../src/core/judge/judgement.ts";
import { Liveness } from "../../../src/core/judge/liveness.ts";
import type { LivenessOptions } from "../../../src/core/judge/liveness-options.ts";
import { PathDelay } from "../../../src/core/judge/path-delay.ts";
import { PathLoss } from "../../../src/core/judge/path-loss.ts";
import type { PeerGroup } from "../../../src/core/judge/peer-groups.ts";
import type { Flow } from "../../../src/core/judge/reading.ts";
import {
  KernelModel,
  MODEL_DEFAULTS,
  type ModelOptions,
  type ModelWorld,
  type Path,
} from "./kernel-model.ts";

export interface Run {
  readonly budgetMs: number;
  readonly path: Path;
  readonly untilMs: number;
  readonly writeEveryMs?: number | undefined;
  readonly writeAtMs?: number;
  readonly writesAtMs?: readonly number[];
  /** The peer's program writes this often. */
  readonly peerWritesEveryMs?: number;
  /** From this instant on the peer does not read what it gets. */
  readonly closesWindowAtMs?: number;
  readonly rtoMaxMs?: number | null;
  /**
   * Drops the judge while nothing is open and makes it anew from the last reading, as a watch does.
   */
  readonly isForgetful?: boolean;
  /** How late a reading comes in a busy process. */
  readonly lateBy?: () => number;
  readonly options?: Partial<LivenessOptions>;
  readonly peer?: PeerGroup;
  readonly remotePort?: number;
  readonly world?: ModelWorld;
  /** When the watch begins; default at once. Until then the program's options hold. */
  readonly begins?: { readonly atMs: number; readonly program: Partial<ModelOptions> };
  /** When the watching process stands still. */
  readonly stall?: { readonly fromMs: number; readonly untilMs: number };
  /** When the budget changes, and to what. */
  readonly retune?: { readonly atMs: number; readonly budgetMs: number };
}

/** The end of a run. */
export interface Outcome {
  /** When the peer was called dead; `null` when it was not. */
  readonly deadAt: number | null;
  /** When the kernel ended the connection by itself; `null` when it did not. */
  readonly kernelEndedAt: number | null;
  readonly liveness: Liveness;
  /** The last judgement. */
  readonly judgement: Judgement;
  readonly answers: Answers;
  readonly kernel: KernelModel;
}

/** Keepalive that sends probes only on demand, with the loosest count. */
const YIELDED = { intervalMs: 32_767_000, count: LOOSEST_COUNT };

/** Watches a modelled connection as a watch does, in virtual time. */
export function watchModel(run: Run): Outcome {
  const { path, untilMs, isForgetful = false, lateBy = () => 0, begins, stall, retune } = run;
  const kernel = new KernelModel(path, begins?.program ?? {}, run.world);
  if (run.peerWritesEveryMs !== undefined) kernel.peerTalks(run.peerWritesEveryMs, () => true);
  const traffic = new Traffic(run);
  traffic.live(kernel, begins?.atMs ?? 0);
  let settings = settle(kernel, run, run.budgetMs);
  const answers = new Answers(
    run.peer ? { group: run.peer, remotePort: run.remotePort ?? 0 } : null,
  );
  const newLiveness = (own: PathLoss["own"], since: number, found = 0): Liveness => {
    const loss = new PathLoss(run.peer ?? null, own);
    const delay = new PathDelay(run.peer ?? null);
    return new Liveness({ answers, ...settings, loss, delay, found }, since);
  };
  let liveness = newLiveness(null, kernel.now, Number.POSITIVE_INFINITY);
  let judgement: Judgement | null = null;
  const outcome = (deadAt: number | null, kernelEndedAt: number | null): Outcome => {
    judgement ??= liveness.observe(kernel.now, kernel.info());
    return { deadAt, kernelEndedAt, liveness, judgement, answers, kernel };
  };
  keepAlive(kernel, liveness, settings.budgetMs);
  let next = kernel.now + 1;
  let segmentsBefore = 0;
  let retransmitsBefore = 0;
  let wasCalm = false;
  let isToStall = stall !== undefined;
  let isToRetune = retune !== undefined;
  let yieldedIn: Flow | null = null;
  while (kernel.now < untilMs) {
    let stalledMs = 0;
    if (isToStall && stall && next >= stall.fromMs) {
      isToStall = false;
      stalledMs = stall.untilMs - next;
      next = stall.untilMs;
    }
    if (isToRetune && retune) next = Math.min(next, Math.max(kernel.now, retune.atMs));
    traffic.live(kernel, Math.min(next, untilMs));
    if (kernel.state === "CLOSE") return outcome(null, kernel.now);
    if (kernel.now < next) break;
    if (isToRetune && retune && kernel.now >= retune.atMs) {
      isToRetune = false;
      settings = settle(kernel, run, retune.budgetMs);
      const { loss, heardAt } = judgement ?? { loss: { own: null }, heardAt: kernel.now };
      liveness = newLiveness(loss.own, heardAt, Number.POSITIVE_INFINITY);
      keepAlive(kernel, liveness, settings.budgetMs);
    }
    if (stalledMs > 0) liveness.stalled(kernel.now, stalledMs);
    judgement = liveness.observe(kernel.now, kernel.info());
    const { wants, flow } = judgement;
    if (judgement.state === "dead") return outcome(kernel.now, null);
    next = judgement.lookAt;
    if (wants.nudge) {
      kernel.nudge();
      next = liveness.nudged(kernel.now);
    } else if (wants.keepalive !== "leave" && kernel.idleMs !== wants.idleMs)
      kernel.set({ idleMs: wants.idleMs });
    if (judgement.isUnproven && (judgement.isOverdue || flow === "blocked")) {
      if (yieldedIn !== flow)
        kernel.set({
          ...YIELDED,
          ...(flow === "blocked" ? { rtoMaxMs: MODEL_DEFAULTS.rtoMaxMs } : {}),
        });
      yieldedIn = flow;
    } else if (yieldedIn !== null) {
      keepAlive(kernel, liveness, settings.budgetMs);
      if (settings.rtoMaxMs !== null) kernel.set({ rtoMaxMs: settings.rtoMaxMs });
      yieldedIn = null;
    }
    const { isForgettable } = judgement;
    if (isForgetful && isForgettable) {
      const { dataSegmentsOut = 0, totalRetransmits = 0 } = kernel.info();
      // As in a watch, what was sent between two calm readings was answered. Between others the
      // judge has counted it.
      const isCalm = wasCalm && totalRetransmits === retransmitsBefore;
      if (isCalm && dataSegmentsOut > segmentsBefore)
        judgement.loss.record({
          attempts: dataSegmentsOut - segmentsBefore,
          lost: 0,
          from: kernel.now,
          to: kernel.now,
        });
      segmentsBefore = dataSegmentsOut;
      retransmitsBefore = totalRetransmits;
      liveness = newLiveness(judgement.loss.own, judgement.heardAt);
      judgement = liveness.observe(kernel.now, kernel.info());
    }
    wasCalm = isForgettable;
    next = Math.ceil((Math.max(kernel.now + 1, next) + 9) / 10) * 10 + lateBy();
  }
  return outcome(null, null);
}

/** The writes of the program, and the peer's reading of them. */
class Traffic {
  readonly #run: Run;
  readonly #writes: number[];

  constructor(run: Run) {
    this.#run = run;
    this.#writes = [
      ...(run.writesAtMs ?? [run.writeAtMs ?? run.writeEveryMs ?? Number.POSITIVE_INFINITY]),
    ];
  }

  /** Runs until `until`, or until the kernel has ended the connection. */
  live(kernel: KernelModel, until: number): void {
    const { writeEveryMs, closesWindowAtMs = Number.POSITIVE_INFINITY } = this.#run;
    for (;;) {
      const [write = Number.POSITIVE_INFINITY] = this.#writes;
      kernel.run(Math.min(until, write));
      if (kernel.state === "CLOSE") return;
      if (kernel.now >= closesWindowAtMs) kernel.isPeerReading = false;
      if (kernel.now < write) return;
      kernel.write();
      this.#writes.shift();
      if (writeEveryMs !== undefined) this.#writes.push(kernel.now + writeEveryMs);
      if (kernel.now >= until) return;
    }
  }
}

/** Sets the cap on backoff. During retransmissions the cap in force stays. */
function settle(kernel: KernelModel, run: Run, budgetMs: number): LivenessOptions {
  const { rtoMaxMs: wanted = Math.max(1000, budgetMs / 5) } = run;
  const inForce =
    kernel.options.rtoMaxMs < MODEL_DEFAULTS.rtoMaxMs ? kernel.options.rtoMaxMs : null;
  const rtoMaxMs = (kernel.info().retransmits ?? 0) > 0 ? inForce : wanted;
  if (rtoMaxMs !== null) kernel.set({ rtoMaxMs });
  return { budgetMs, rtoMaxMs, lastBackoff: 15, ...run.options };
}

/** Switches the standing keepalive on. Probes already unanswered are added to the count. */
function keepAlive(kernel: KernelModel, { idleMs, plan }: Liveness, budgetMs: number): void {
  const { intervalMs, count } = backstopProbes(budgetMs, plan.idleMs);
  kernel.set({
    keepalive: true,
    idleMs,
    intervalMs,
    count: Math.min(127, count + (kernel.info().probes ?? 0)),
  });
}

/** Returns when a watch called the peer dead; `null`: it never did. */
export function deadAt(run: Run): number | null {
  return watchModel(run).deadAt;
}
