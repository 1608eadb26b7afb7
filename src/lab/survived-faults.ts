import { setTimeout as sleep } from "node:timers/promises";
import { BOTH_TRAFFICS, type Fault } from "./fault.ts";
import type { LabProcess } from "./lab-machine.ts";
import type { SubjectCommand } from "./subject-messages.ts";

const WELL = { idle: ["healthy", "local-stall"], "in-flight": ["healthy", "local-stall"] } as const;
/** How much longer than asked the wire may lose packets: it and this process are told of it. */
const TOLD_MS = 100;

/** What was lost within seconds may look like loss. */
const OVER = {
  idle: [...WELL.idle, "lossy-path"],
  "in-flight": [...WELL.idle, "lossy-path"],
} as const;

/** Under loss a suspicion is right too, as long as no verdict follows. */
const LOSSY = {
  idle: ["healthy", "lossy-path", "path-silent"],
  "in-flight": ["healthy", "lossy-path", "path-silent"],
} as const;

/** Faults during which the peer stays alive: no connection may be ended. */
export const SURVIVED_FAULTS: readonly Fault[] = [
  {
    id: "peer-stopped",
    title: "the peer process stopped (SIGSTOP), quiet",
    effect: "lives",
    network: {},
    role: "sink",
    traffics: ["idle"],
    causes: WELL,
    lastsMs: ({ budgetMs }) => 3 * budgetMs,
    strike: ({ peer }) => peer.signal("SIGSTOP"),
  },
  {
    id: "peer-stopped-streaming",
    title: "the peer process stopped while we stream",
    effect: "lives",
    network: {},
    role: "deaf",
    traffics: ["in-flight"],
    causes: { idle: ["healthy"], "in-flight": ["peer-not-reading"] },
    lastsMs: ({ budgetMs }) => 3 * budgetMs,
    strike: ({ peer }) => peer.signal("SIGSTOP"),
  },
  {
    id: "peer-not-reading",
    title: "a live peer does not read for 30 s",
    effect: "lives",
    network: {},
    role: "deaf",
    traffics: ["in-flight"],
    causes: { idle: ["healthy"], "in-flight": ["peer-not-reading"] },
    lastsMs: ({ isQuick }) => (isQuick ? 12_000 : 30_000),
    strike: async () => {},
  },
  {
    id: "outage-2s",
    title: "an outage as long as is to be survived (2 s of 5) that heals",
    effect: "lives",
    network: { variant: "wire" },
    role: "sink",
    traffics: BOTH_TRAFFICS,
    causes: OVER,
    lastsMs: ({ budgetMs, surviveOutageMs }) => surviveOutageMs + 2.1 * budgetMs,
    strike: async ({ network, surviveOutageMs }) => {
      await network.setWire({ lossOut: 1, lossIn: 1 });
      await sleep(Math.max(0.75 * surviveOutageMs, surviveOutageMs - TOLD_MS));
      await network.setWire({ lossOut: 0, lossIn: 0 });
    },
  },
  {
    id: "random-loss-10",
    title: "10 % of round trips lost",
    effect: "lives",
    network: { variant: "wire" },
    role: "sink",
    traffics: BOTH_TRAFFICS,
    causes: LOSSY,
    lastsMs: ({ budgetMs, isQuick }) => (isQuick ? 3 : 12) * budgetMs,
    strike: ({ network }) => network.setWire({ lossOut: eachWay(0.1), lossIn: eachWay(0.1) }),
  },
  {
    id: "random-loss-30",
    title: "30 % of round trips lost",
    effect: "lives",
    network: { variant: "wire" },
    role: "sink",
    traffics: BOTH_TRAFFICS,
    causes: LOSSY,
    lastsMs: ({ budgetMs, isQuick }) => (isQuick ? 3 : 6) * budgetMs,
    strike: ({ network }) => network.setWire({ lossOut: eachWay(0.3), lossIn: eachWay(0.3) }),
  },
  {
    id: "event-loop-blocked",
    title: "our own event loop blocked for 3 budgets",
    effect: "lives",
    network: {},
    role: "sink",
    traffics: BOTH_TRAFFICS,
    causes: WELL,
    lastsMs: ({ budgetMs }) => 4 * budgetMs,
    strike: ({ subject, budgetMs }) =>
      subject.write(JSON.stringify({ do: "block", ms: 3 * budgetMs } satisfies SubjectCommand)),
  },
  {
    id: "process-stopped",
    title: "our own process stopped for 3 budgets and continued",
    effect: "lives",
    network: {},
    role: "sink",
    traffics: BOTH_TRAFFICS,
    causes: WELL,
    lastsMs: ({ budgetMs }) => 4 * budgetMs,
    strike: ({ subject, budgetMs }) => stopFor(subject, 3 * budgetMs),
  },
];

/** Returns the share of packets to lose each way so that `roundTrips` of all round trips fail. */
function eachWay(roundTrips: number): number {
  return 1 - Math.sqrt(1 - roundTrips);
}

async function stopFor(process: LabProcess, ms: number): Promise<void> {
  await process.signal("SIGSTOP");
  await sleep(ms);
  await process.signal("SIGCONT");
}
