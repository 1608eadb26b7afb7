import { setTimeout as sleep } from "node:timers/promises";
import { detectionOf, keepaliveAlone } from "../core/judge/keepalive-alone.ts";
import { defaultOutageMs } from "../core/judge/probe-plan.ts";
import { BOTH_TRAFFICS, type Fault, type Stage } from "./fault.ts";
import type { LabProcess } from "./lab-machine.ts";
import { proxyLocally } from "./local-proxy.ts";
import { routeByPolicy } from "./policy-route.ts";
import { resumedWithinMs, watchWithinMs } from "./predicted.ts";
import type { SubjectCommand } from "./subject-messages.ts";

const SILENT = { idle: ["path-silent"], "in-flight": ["path-silent"] } as const;
const HEALTHY = { idle: ["healthy"], "in-flight": ["healthy"] } as const;
/** An answer that is late is missed at first, so a suspicion is right until it comes. */
const LATE = {
  idle: ["healthy", "path-silent"],
  "in-flight": ["healthy", "path-silent"],
} as const;

/** Faults that come from reports of other people, whose networks are not like a laboratory's. */
export const FIELD_FAULTS: readonly Fault[] = [
  {
    id: "probe-deaf",
    title: "a firewall lets no keepalive probe through",
    effect: "lives",
    network: { variant: "wire", wire: { dropsProbes: true } },
    role: "sink",
    traffics: ["idle"],
    causes: LATE,
    doubt: /never answered/,
    lastsMs: ({ budgetMs }) => 3 * budgetMs,
    strike: ({ subject }) => order(subject, { do: "say" }),
  },
  {
    id: "bufferbloat",
    title: "our uploads fill the endless queue of the uplink",
    effect: "lives",
    network: { variant: "wire" },
    role: "sink",
    traffics: BOTH_TRAFFICS,
    causes: LATE,
    lastsMs: ({ budgetMs }) => 4 * budgetMs,
    strike: fillQueue,
  },
  {
    id: "delay-step",
    title: "the round trip jumps by 0.9 outages (1.8 s of 5)",
    effect: "lives",
    network: { variant: "wire" },
    role: "sink",
    traffics: BOTH_TRAFFICS,
    causes: LATE,
    lastsMs: ({ budgetMs }) => 3 * budgetMs,
    strike: ({ network, surviveOutageMs }) => network.setWire({ delayMs: 0.45 * surviveOutageMs }),
  },
  {
    id: "mtu-black-hole",
    title: "a tunnel swallows packets of more than 1400 bytes",
    effect: "cuts",
    network: { variant: "wire" },
    role: "sink",
    traffics: ["in-flight"],
    causes: { idle: [], "in-flight": ["mtu-black-hole"] },
    blocksHeartbeats: true,
    strike: swallowLargePackets,
  },
  {
    id: "mtu-search",
    title: "the same, and our kernel searches for the size that passes",
    effect: "lives",
    network: { variant: "wire" },
    role: "sink",
    traffics: ["in-flight"],
    causes: { idle: [], "in-flight": ["healthy", "lossy-path", "mtu-black-hole"] },
    lastsMs: ({ budgetMs }) => 2 * budgetMs,
    prepare: (network) => network.searchMtu(),
    strike: swallowLargePackets,
  },
  {
    id: "policy-route",
    title: "our route is a policy's, and a router drops everything for the peer",
    effect: "cuts",
    network: { variant: "router" },
    role: "sink",
    traffics: BOTH_TRAFFICS,
    causes: SILENT,
    prepare: routeByPolicy,
    strike: ({ network }) => network.blackHole(),
  },
  {
    id: "local-proxy",
    title: "a sidecar on our host answers for a peer that is cut off",
    effect: "hides",
    network: { variant: "router" },
    role: "sink",
    traffics: BOTH_TRAFFICS,
    causes: HEALTHY,
    doubt: /far end/,
    needs: ["nft"],
    prepare: proxyLocally,
    strike: ({ network }) => network.blackHole(),
  },
  {
    id: "zeroed-tcp-info",
    title: "our kernel's TCP_INFO is mostly zeros, and the cable is pulled",
    effect: "cuts",
    network: {},
    role: "sink",
    traffics: BOTH_TRAFFICS,
    causes: { idle: ["path-silent"], "in-flight": ["quiet", "path-silent"] },
    mask: "tcp-info-zeros",
    doubt: /whether the peer is still there/,
    foundWithinMs: (budgetMs, traffic, surviveOutageMs) =>
      traffic === "idle" ? byKeepalive(budgetMs, surviveOutageMs) : null,
    strike: ({ network }) => network.pullCable("right"),
  },
  {
    id: "handed-over",
    title: "our program hands its sockets to a child process",
    effect: "lives",
    network: {},
    role: "sink",
    traffics: BOTH_TRAFFICS,
    causes: { idle: ["closed-locally"], "in-flight": ["closed-locally"] },
    isPlainOnly: true,
    lastsMs: ({ budgetMs }) => 2 * budgetMs,
    strike: ({ subject }) => order(subject, { do: "hand-over" }),
  },
  {
    id: "clock-step",
    title: "our wall clock jumps by an hour, time and again",
    effect: "lives",
    network: {},
    role: "sink",
    traffics: BOTH_TRAFFICS,
    causes: HEALTHY,
    lastsMs: ({ budgetMs }) => CLOCK_STEPS * clockStepEveryMs(budgetMs),
    strike: stepClock,
  },
  {
    id: "cut-while-stopped",
    title: "our own process stopped for 1.4 budgets, the cable pulled meanwhile",
    effect: "cuts",
    network: {},
    role: "sink",
    traffics: BOTH_TRAFFICS,
    causes: SILENT,
    stoppedMs: stoppedForMs,
    // What the program writes first when it goes on is found as at any other time.
    foundWithinMs: (budgetMs, traffic, surviveOutageMs) =>
      stoppedForMs(budgetMs) +
      (traffic === "idle"
        ? resumedWithinMs(budgetMs, "idle", surviveOutageMs)
        : watchWithinMs(budgetMs, surviveOutageMs)),
    strike: cutWhileStopped,
  },
  {
    id: "cut-then-stopped",
    title: "the cable pulled, data left, then our own process stopped for 1.4 budgets",
    effect: "cuts",
    network: {},
    role: "sink",
    traffics: ["in-flight"],
    causes: SILENT,
    stoppedMs: stoppedForMs,
    leavesData: true,
    foundWithinMs: (budgetMs, traffic, surviveOutageMs) =>
      WRITES_MS + stoppedForMs(budgetMs) + resumedWithinMs(budgetMs, traffic, surviveOutageMs),
    strike: cutThenStopped,
  },
];

/** Within this time each connection in flight writes, twice. */
const WRITES_MS = 200;

/** The time that `watch` promises of an idle connection where keepalive alone decides. */
function byKeepalive(budgetMs: number, surviveOutageMs: number): number {
  const means = { fixedCount: null, stepMs: 1000 };
  const isChosen = surviveOutageMs !== defaultOutageMs(budgetMs);
  const keepalive = keepaliveAlone(budgetMs, means, isChosen ? surviveOutageMs : 0);
  return Math.max(budgetMs, detectionOf(keepalive));
}

function order(subject: LabProcess, command: SubjectCommand): Promise<void> {
  return subject.write(JSON.stringify(command));
}

/** Often, because a stall would only be told until the peer is heard again. */
async function stepClock({ subject, budgetMs }: Stage): Promise<void> {
  for (let step = 0; step < CLOCK_STEPS; step++) {
    await order(subject, { do: "step-clock", ms: 3_600_000 });
    await sleep(clockStepEveryMs(budgetMs));
  }
}

const CLOCK_STEPS = 20;

function clockStepEveryMs(budgetMs: number): number {
  return 0.02 * budgetMs;
}

/** The uplink carries 1 Mbit/s at 5 s; with another budget its queue is as many budgets long. */
async function fillQueue({ network, subject, budgetMs }: Stage): Promise<void> {
  await network.setWire({ kbitOut: 5_000_000 / budgetMs });
  await order(subject, { do: "upload", bytes: 4_000_000 });
}

async function swallowLargePackets({ network, subject }: Stage): Promise<void> {
  await network.setWire({ longestBytes: 1400 });
  await order(subject, { do: "upload", bytes: 200_000 });
}

/** Longer than the keepalive of any mechanism takes to end an idle connection. */
function stoppedForMs(budgetMs: number): number {
  return 1.4 * budgetMs;
}

async function cutThenStopped({ network, subject, budgetMs }: Stage): Promise<void> {
  await network.pullCable("right");
  await sleep(WRITES_MS);
  await subject.signal("SIGSTOP");
  await sleep(stoppedForMs(budgetMs));
  await subject.signal("SIGCONT");
}

async function cutWhileStopped({ network, subject, budgetMs }: Stage): Promise<void> {
  await subject.signal("SIGSTOP");
  await network.pullCable("right");
  await sleep(stoppedForMs(budgetMs));
  await subject.signal("SIGCONT");
}
