import { backstopProbes } from "../../src/core/backstop.ts";
import { Liveness } from "../../src/core/liveness.ts";
import type { LivenessOptions } from "../../src/core/liveness-options.ts";
import { PathLoss } from "../../src/core/path-loss.ts";
import type { PeerGroup } from "../../src/core/peer-groups.ts";
import { KernelModel, type ModelWorld, type Path } from "./kernel-model.ts";

export interface Run {
  readonly budgetMs: number;
  readonly path: Path;
  readonly untilMs: number;
  readonly writeEveryMs?: number | undefined;
  readonly writeAtMs?: number;
  readonly writesAtMs?: readonly number[];
  /** From then on the peer does not read what it gets. */
  readonly closesWindowAtMs?: number;
  readonly rtoMaxMs?: number | null;
  /** As a watch does: while nothing is open the judge is let go, and made anew from the last reading at the next look. */
  readonly isForgetful?: boolean;
  /** How late a look comes, of a busy process. */
  readonly lateBy?: () => number;
  readonly options?: Partial<LivenessOptions>;
  readonly peer?: PeerGroup;
  readonly world?: ModelWorld;
}

/** How a run ended. */
export interface Outcome {
  /** When the peer was called dead; `null` when it was not. */
  readonly deadAt: number | null;
  /** When the kernel ended the connection by itself; `null` when it did not. */
  readonly kernelEndedAt: number | null;
  readonly liveness: Liveness;
  readonly kernel: KernelModel;
}

/** Watches a modelled connection as a watch does, in virtual time. */
export function watchModel(run: Run): Outcome {
  const { budgetMs, path, untilMs, writeEveryMs, rtoMaxMs = Math.max(1000, budgetMs / 5), isForgetful = false, lateBy = () => 0 } = run;
  const writes = [...(run.writesAtMs ?? [run.writeAtMs ?? writeEveryMs ?? Number.POSITIVE_INFINITY])];
  const options = { budgetMs, rtoMaxMs, lastBackoff: 15, ...run.options };
  const newLiveness = (own: PathLoss["own"], since: number): Liveness => {
    const loss = new PathLoss(run.peer ?? null, own);
    return new Liveness({ ...options, loss }, since);
  };
  let liveness = newLiveness(null, 0);
  const { idleMs } = liveness;
  const kernel = new KernelModel(
    path,
    { ...(rtoMaxMs === null ? {} : { rtoMaxMs }), idleMs, ...backstopProbes(budgetMs, idleMs) },
    run.world,
  );
  let next = 1;
  let segmentsBefore = 0;
  while (kernel.now < untilMs) {
    const [write = Number.POSITIVE_INFINITY] = writes;
    kernel.run(Math.min(next, write, untilMs));
    if (kernel.state === "CLOSE") return { deadAt: null, kernelEndedAt: kernel.now, liveness, kernel };
    if (kernel.now >= (run.closesWindowAtMs ?? Number.POSITIVE_INFINITY)) kernel.isPeerReading = false;
    if (kernel.now >= write) {
      kernel.write();
      writes.shift();
      if (writeEveryMs !== undefined) writes.push(kernel.now + writeEveryMs);
    }
    if (kernel.now < next) continue;
    next = liveness.observe(kernel.now, kernel.info());
    if (liveness.state === "dead") return { deadAt: kernel.now, kernelEndedAt: null, liveness, kernel };
    if (liveness.wantsNudge) {
      kernel.nudge();
      next = liveness.nudged(kernel.now);
    } else if (liveness.isUnquestioned && kernel.idleMs !== liveness.idleMs) kernel.set({ idleMs: liveness.idleMs });
    if (isForgetful && liveness.isForgettable) {
      const { dataSegmentsOut = 0 } = kernel.info();
      // As a watch does: what was sent between two calm readings was answered.
      if (dataSegmentsOut > segmentsBefore && liveness.lastSuspicion === null)
        liveness.loss.record({ attempts: dataSegmentsOut - segmentsBefore, lost: 0, from: kernel.now, to: kernel.now });
      segmentsBefore = dataSegmentsOut;
      liveness = newLiveness(liveness.loss.own, liveness.heardAt);
      liveness.observe(kernel.now, kernel.info());
    }
    next = Math.ceil((Math.max(kernel.now + 1, next) + 9) / 10) * 10 + lateBy();
  }
  return { deadAt: null, kernelEndedAt: null, liveness, kernel };
}

/** When, if ever, a watch called the peer dead. */
export function deadAt(run: Run): number | null {
  return watchModel(run).deadAt;
}
