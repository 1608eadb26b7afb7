import { availableParallelism, release } from "node:os";
import { SMALLEST_BUDGET_MS } from "../core/judge/probe-plan.ts";
import { isQuickBudget, outageOf } from "../core/judge/quick-terms.ts";
import type { Fault, Stage } from "./fault.ts";
import { FAULTS } from "./faults.ts";
import { isInstalled } from "./installed.ts";
import { notRun } from "./judge.ts";
import { MECHANISMS, type Mechanism } from "./mechanisms.ts";
import type { LabCell, LabReport, SkippedFault } from "./report.ts";
import { runFault } from "./run-fault.ts";
import type { Traffic } from "./subject-messages.ts";
import type { CellPlan } from "./track.ts";
import { World } from "./world.ts";

export interface LabOptions {
  /** Ids of {@link FAULTS}; default: all. */
  readonly faults?: readonly string[] | undefined;
  readonly mechanisms?: readonly Mechanism[] | undefined;
  readonly traffics?: readonly Traffic[] | undefined;
  readonly detectWithinMs?: number | undefined;
  /**
   * The longest outage that must not end a connection; default 0.4 of the budget. Every fault gets
   * it, so it must be possible without a cap on backoff if the environment hides that.
   */
  readonly surviveOutageMs?: number | undefined;
  /** Shortens observations. Runs only `watch` over IPv6 and over TLS, and not over both at once. */
  readonly isQuick?: boolean | undefined;
  /** Length of the observation of a cut. Default: six budgets; quick: two budgets and 2 s. */
  readonly observeMs?: number | undefined;
  /** Number of faults that run side by side. */
  readonly sideBySide?: number | undefined;
  /** Environment of the watched program. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  readonly onProgress?: ((done: number, total: number, fault: string) => void) | undefined;
}

export const DEFAULT_BUDGET_MS = 5000;
/**
 * Default of `sideBySide`. A network costs two Node processes, so more networks at once would
 * measure the load of this machine: with 17 on two busy cores, verdicts came 0.2 to 0.6 s late.
 */
const SIDE_BY_SIDE = 14;

/**
 * Runs every fault with every mechanism, each fault in a network of its own.
 *
 * @throws NoWorldError where namespaces are not allowed
 */
export async function runLab(options: LabOptions = {}): Promise<LabReport> {
  const started = performance.now();
  const startedAt = new Date().toISOString();
  const { detectWithinMs: budgetMs = DEFAULT_BUDGET_MS, surviveOutageMs } = options;

  const chosen = FAULTS.filter(({ id }) => options.faults?.includes(id) ?? true);
  const skipped: SkippedFault[] = [];
  const runnable = chosen.filter((fault) => {
    const why = whyNotRun(fault, budgetMs);
    if (why !== null) skipped.push({ fault: fault.id, why });
    return why === null;
  });

  const cells = await runAll(runnable, budgetMs, options);
  const ok = cells.filter((cell) => cell.ok).length;

  return {
    environment: {
      kernel: release(),
      node: process.version,
      platform: `${process.platform} ${process.arch}`,
      cpus: availableParallelism(),
      asRoot: process.getuid?.() === 0,
      length: options.isQuick ? "quick" : "full",
      startedAt,
      tookMs: Math.round(performance.now() - started),
    },
    detectWithinMs: budgetMs,
    surviveOutageMs: outageOf(budgetMs, surviveOutageMs),
    cells,
    skipped,
    summary: {
      cells: cells.length,
      ok,
      failed: cells.length - ok,
      predicted: cells.filter(({ isAsPredicted }) => isAsPredicted !== null).length,
      asPredicted: cells.filter(({ isAsPredicted }) => isAsPredicted).length,
    },
  };
}

/** Returns why a fault cannot be run here, or with this budget; `null`: it can. */
function whyNotRun({ needs = [], mask }: Fault, budgetMs: number): string | null {
  const missing = needs.filter((name) => !isInstalled(name));
  if (missing.length > 0)
    return `needs ${missing.join(" and ")}; scripts/setup-test-machine.sh installs it`;
  if (mask?.includes("tcp-info") && isQuickBudget(budgetMs))
    return `a budget of ${budgetMs} ms takes the kernel's evidence`;
  return null;
}

async function runAll(
  faults: readonly Fault[],
  budgetMs: number,
  options: LabOptions,
): Promise<LabCell[]> {
  await using world = await World.open();

  // The longest fault first, so that short ones fill the gaps.
  const { surviveOutageMs } = options;
  const times = { budgetMs, surviveOutageMs: outageOf(budgetMs, surviveOutageMs) };
  const queue = faults
    .map((fault, index) => ({ fault, index }))
    .sort((a, b) => durationOf(b.fault, times) - durationOf(a.fault, times));

  const results: LabCell[][] = faults.map(() => []);
  let done = 0;
  const worker = async (): Promise<void> => {
    for (let next = queue.shift(); next; next = queue.shift()) {
      const { fault, index } = next;
      const isQuick = options.isQuick ?? false;
      const observeMs = options.observeMs ?? observedFor(budgetMs, isQuick);
      const cells = planCells(fault, options);
      const env = options.env ?? {};
      const run = { fault, cells, budgetMs, surviveOutageMs, isQuick, observeMs, env };
      results[index] = await runFault(world, run).catch((error: unknown) =>
        notRun(fault, cells, error),
      );
      options.onProgress?.(++done, faults.length, fault.id);
    }
  };

  await Promise.all(Array.from({ length: options.sideBySide ?? SIDE_BY_SIDE }, worker));
  return results.flat();
}

/** Long enough for what a heartbeat cannot find, whatever the budget. */
function observedFor(budgetMs: number, isQuick: boolean): number {
  const leastMs = Math.max(budgetMs, SMALLEST_BUDGET_MS);
  return isQuick ? 2 * leastMs + 2000 : 6 * leastMs;
}

function durationOf(fault: Fault, times: Pick<Stage, "budgetMs" | "surviveOutageMs">): number {
  return fault.lastsMs?.({ ...times, isQuick: false }) ?? 2 * times.budgetMs;
}

/**
 * Plans the connections of a fault. Quick: every mechanism over IPv4 and plain TCP, `watch` also
 * over IPv6 and over TLS. Otherwise every mechanism in all four combinations.
 */
function planCells(fault: Fault, options: LabOptions): CellPlan[] {
  const mechanisms = options.mechanisms ?? MECHANISMS;
  const traffics = fault.traffics.filter((traffic) => options.traffics?.includes(traffic) ?? true);

  const cells: CellPlan[] = [];
  for (const traffic of traffics) {
    for (const mechanism of mechanisms) {
      cells.push({ mechanism, traffic, family: 4, tls: false });
      if (mechanism === "watch" || !options.isQuick)
        cells.push(
          { mechanism, traffic, family: 6, tls: false },
          { mechanism, traffic, family: 4, tls: true },
        );
      if (!options.isQuick) cells.push({ mechanism, traffic, family: 6, tls: true });
    }
  }
  return fault.isPlainOnly ? cells.filter(({ tls }) => !tls) : cells;
}
