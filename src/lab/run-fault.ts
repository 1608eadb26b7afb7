import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { isQuickBudget, outageOf } from "../core/judge/quick-terms.ts";
import type { Fault } from "./fault.ts";
import { judge } from "./judge.ts";
import { DIST, type LabProcess } from "./lab-machine.ts";
import { CALM_GRACE_MS, Pressure } from "./pressure.ts";
import type { LabCell } from "./report.ts";
import type { SubjectCommand, SubjectConnection, SubjectEvent } from "./subject-messages.ts";
import type { CellPlan, Track } from "./track.ts";
import type { World } from "./world.ts";

export interface FaultRun {
  readonly fault: Fault;
  readonly cells: readonly CellPlan[];
  readonly budgetMs: number;
  /** The longest outage that must not end a connection; default 0.4 of the budget. */
  readonly surviveOutageMs?: number | undefined;
  readonly isQuick: boolean;
  /** Length of the observation of a cut. A peer that is not found by then counts as never found. */
  readonly observeMs: number;
  /** Environment of the subject, for HALFOPEN_MASK and others. */
  readonly env?: Readonly<Record<string, string>>;
}

/** The strike comes at a random instant within this time after the warm-up. */
const PHASE_MS = 2000;
/**
 * Connections open at random instants within this time, so that their probes are not synchronised.
 */
const OPENING_MS = 1000;
/**
 * Time for two probes, and for the readings that see their answers, on a busy machine too: each
 * leaves after a second of silence, 1/8 late, or up to a second later where many leave at once. A
 * peer is known to answer probes once it has answered two. Of one that is not known to, the end of
 * the budget proves less.
 */
const WARM_UP_MS = OPENING_MS + 4500;
/** A verdict within a short budget may be 50 ms late on a calm machine, any other one 250. */
const FORGIVEN_LESS_MS = CALM_GRACE_MS - 50;
const CONNECT_WITHIN_MS = 15_000;

/** Builds the fault's network, lets its connections run, strikes, and returns what each found. */
export async function runFault(world: World, run: FaultRun): Promise<LabCell[]> {
  const { fault, budgetMs, isQuick } = run;
  const surviveOutageMs = outageOf(budgetMs, run.surviveOutageMs);

  const network = await world.network(fault.network);
  const peer = await network.spawn("right", [process.execPath, program("peer.js")]);
  await said(peer, "ready");
  await fault.prepare?.(network);
  const subject = await network.spawn("left", [process.execPath, program("subject.js")], {
    unprivileged: true,
    env: environmentOf(run),
  });

  const tracks = follow(subject, run.cells);
  const connections = run.cells.map((plan, index): SubjectConnection => {
    const { mechanism, traffic, tls } = plan;
    const host = network.address("right", plan.family);
    const afterMs = Math.random() * OPENING_MS;
    return {
      id: String(index),
      mechanism,
      traffic,
      tls,
      role: fault.role,
      host,
      budgetMs,
      surviveOutageMs: run.surviveOutageMs,
      afterMs,
    };
  });
  await command(subject, { do: "open", connections });
  await settled(tracks, subject);
  // A random phase, because detection time varies with the age of the last evidence at the strike.
  await sleep((fault.warmUpMs ?? WARM_UP_MS) + Math.random() * PHASE_MS);

  // Taken before the strike is carried out, so that detection times never look too good.
  const struckAt = monotonicMs();
  const stage = { network, subject, peer, budgetMs, surviveOutageMs, isQuick };
  const pressure = new Pressure();
  const striking = fault.strike(stage);

  const until = struckAt + (fault.lastsMs?.(stage) ?? run.observeMs);
  const mustLive = fault.effect === "lives";
  while (monotonicMs() < until && (mustLive || tracks.some(({ closedAt }) => closedAt === null)))
    await sleep(50);

  await striking;
  const observedMs = monotonicMs() - struckAt;
  const graceMs = pressure.graceMs - (isQuickBudget(budgetMs) ? FORGIVEN_LESS_MS : 0);
  await command(subject, { do: "diagnose" });
  await sleep(300);
  for (const process of [subject, peer]) {
    await process.signal("SIGKILL");
    await process.signal("SIGCONT");
  }

  return tracks.map((track) =>
    judge(fault, track, { struckAt, budgetMs, surviveOutageMs, observedMs, graceMs }),
  );
}

function environmentOf({ fault, env = {} }: FaultRun): Record<string, string> {
  const masks = [env.HALFOPEN_MASK, fault.mask].filter((mask) => mask !== undefined);
  return masks.length === 0 ? env : { ...env, HALFOPEN_MASK: masks.join(",") };
}

export function monotonicMs(): number {
  return Number(process.hrtime.bigint() / 1000n) / 1000;
}

export function program(name: string): string {
  return fileURLToPath(new URL(name, DIST));
}

function follow(subject: LabProcess, plans: readonly CellPlan[]): Track[] {
  const tracks = plans.map(
    (plan): Track => ({
      plan,
      connectedAt: null,
      closedAt: null,
      deadAt: null,
      error: null,
      diagnosis: null,
    }),
  );

  subject.onLine((line) => {
    const event = JSON.parse(line) as SubjectEvent;
    const track = tracks[Number(event.id)];
    if (!track) return;
    if (event.event === "connected") track.connectedAt = event.at;
    else if (event.event === "closed") track.closedAt ??= event.at;
    else if (event.event === "error") track.error ??= event.code;
    else if ("diagnosis" in event) {
      if (event.event === "dead") track.deadAt ??= event.at;
      // A verdict stays. A diagnosis made while alive gives way to a later one.
      if (track.deadAt === null || event.event === "dead") track.diagnosis = event.diagnosis;
    }
  });
  return tracks;
}

async function settled(tracks: readonly Track[], subject: LabProcess): Promise<void> {
  const until = monotonicMs() + CONNECT_WITHIN_MS;
  while (tracks.some(({ connectedAt }) => connectedAt === null)) {
    if (monotonicMs() > until) {
      const lost = tracks.filter(({ connectedAt }) => connectedAt === null);
      throw new Error(
        `${lost.length} of ${tracks.length} lab connections could not be opened (${lost[0]?.error ?? "no error"}): ${subject.errors.join(" ")}`,
      );
    }
    await sleep(20);
  }
}

function command(subject: LabProcess, what: SubjectCommand): Promise<void> {
  return subject.write(JSON.stringify(what));
}

export function said(process: LabProcess, word: string): Promise<void> {
  return new Promise((resolve, reject) => {
    process.onLine((line) => line === word && resolve());
    process.onExit((code) =>
      reject(new Error(`a lab process ended early (${code}): ${process.errors.join(" ")}`)),
    );
  });
}
