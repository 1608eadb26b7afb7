import { setTimeout as sleep } from "node:timers/promises";
import type { Cause } from "../core/diagnosis.ts";
import type { LabProcess } from "./lab-machine.ts";
import type { Network, NetworkOptions } from "./network.ts";
import type { PeerRole } from "./peer-ports.ts";
import type { SubjectCommand, Traffic } from "./subject-messages.ts";

/** Where a fault strikes. */
export interface Stage {
  readonly network: Network;
  readonly subject: LabProcess;
  readonly peer: LabProcess;
  readonly budgetMs: number;
  readonly isQuick: boolean;
}

/**
 * `cuts`: the peer is gone without a word and must be found inside the budget. `tells`: the kernel
 * learns of it by itself. `lives`: the peer lives, so every death is a false alarm.
 */
export type Effect = "cuts" | "tells" | "lives";

export interface Fault {
  readonly id: string;
  readonly title: string;
  readonly effect: Effect;
  readonly network: NetworkOptions;
  readonly role: PeerRole;
  readonly traffics: readonly Traffic[];
  /** The diagnoses that are right; for `lives`, while it lasts or right after. */
  readonly causes: Readonly<Record<Traffic, readonly Cause[]>>;
  /** Programs that the fault needs beside iproute2. */
  readonly needs?: readonly string[];
  /** How long the connections run before the strike. */
  readonly warmUpMs?: number;
  /** For `tells`: within this time after the strike, where it is not the whole budget. */
  readonly tellsWithinMs?: number;
  /** For `lives`: how long it lasts. */
  lastsMs?(stage: Pick<Stage, "budgetMs" | "isQuick">): number;
  strike(stage: Stage): Promise<unknown>;
}

const BOTH = ["idle", "in-flight"] as const;
const SILENT = { idle: ["path-silent"], "in-flight": ["path-silent"] } as const;
const OURS = { idle: ["local-link-down"], "in-flight": ["local-link-down"] } as const;
const WELL = { idle: ["healthy", "local-stall"], "in-flight": ["healthy", "local-stall"] } as const;
/** Under loss a suspicion is right too, as long as no verdict follows. */
const LOSSY = {
  idle: ["healthy", "lossy-path", "path-silent"],
  "in-flight": ["healthy", "lossy-path", "path-silent"],
} as const;

/** The share of packets to lose each way so that this share of round trips is lost. */
function eachWay(roundTrips: number): number {
  return 1 - Math.sqrt(1 - roundTrips);
}

async function stopFor(process: LabProcess, ms: number): Promise<void> {
  await process.signal("SIGSTOP");
  await sleep(ms);
  await process.signal("SIGCONT");
}

export const FAULTS: readonly Fault[] = [
  {
    id: "cable-pulled",
    title: "cable pulled at the peer's switch port",
    effect: "cuts",
    network: {},
    role: "sink",
    traffics: BOTH,
    causes: SILENT,
    strike: ({ network }) => network.pullCable("right"),
  },
  {
    id: "cable-pulled-here",
    title: "cable pulled at our own port",
    effect: "cuts",
    network: {},
    role: "sink",
    traffics: BOTH,
    causes: OURS,
    strike: ({ network }) => network.pullCable("left"),
  },
  {
    id: "link-down",
    title: "our link set down",
    effect: "cuts",
    network: {},
    role: "sink",
    traffics: BOTH,
    causes: OURS,
    strike: ({ network }) => network.linkDown("left"),
  },
  {
    id: "peer-address-removed",
    title: "the peer's address removed",
    effect: "cuts",
    network: {},
    role: "sink",
    traffics: BOTH,
    causes: SILENT,
    strike: ({ network }) => network.removeAddresses("right"),
  },
  {
    id: "route-removed",
    title: "our route removed",
    effect: "cuts",
    network: {},
    role: "sink",
    traffics: BOTH,
    causes: OURS,
    strike: ({ network }) => network.removeRoutes("left"),
  },
  {
    id: "loss-outbound",
    title: "packets lost one way: ours (the peer talks)",
    effect: "cuts",
    network: { variant: "wire" },
    role: "talker",
    traffics: ["in-flight"],
    causes: { idle: ["path-silent", "one-way-loss"], "in-flight": ["one-way-loss"] },
    strike: ({ network }) => network.setWire({ lossOut: 1 }),
  },
  {
    id: "loss-outbound-quiet",
    title: "packets lost one way: ours (the peer is quiet)",
    effect: "cuts",
    network: { variant: "wire" },
    role: "sink",
    traffics: BOTH,
    causes: SILENT,
    strike: ({ network }) => network.setWire({ lossOut: 1 }),
  },
  {
    id: "loss-inbound",
    title: "packets lost one way: the peer's",
    effect: "cuts",
    network: { variant: "wire" },
    role: "sink",
    traffics: BOTH,
    causes: SILENT,
    strike: ({ network }) => network.setWire({ lossIn: 1 }),
  },
  {
    id: "router-black-hole",
    title: "a router drops everything for the peer",
    effect: "cuts",
    network: { variant: "router" },
    role: "sink",
    traffics: BOTH,
    causes: SILENT,
    strike: ({ network }) => network.blackHole(),
  },
  {
    id: "nat-forgets",
    title: "the NAT forgets the flow",
    effect: "cuts",
    network: { variant: "router", nat: true },
    role: "sink",
    traffics: BOTH,
    causes: SILENT,
    needs: ["nft", "conntrack"],
    strike: ({ network }) => network.forgetFlows(),
  },
  {
    id: "peer-crashed",
    title: "the peer's host loses power",
    effect: "cuts",
    network: {},
    role: "sink",
    traffics: BOTH,
    causes: SILENT,
    strike: ({ network, peer }) => network.crashRight([peer], { reboot: false }),
  },
  {
    id: "dead-behind-closed-window",
    title: "the peer stops reading, then its cable is pulled",
    effect: "cuts",
    network: {},
    role: "deaf",
    traffics: ["in-flight"],
    causes: SILENT,
    warmUpMs: 6000,
    strike: ({ network }) => network.pullCable("right"),
  },
  {
    id: "peer-rebooted",
    title: "the peer's host crashes and comes back with the same address",
    effect: "tells",
    network: {},
    role: "sink",
    traffics: BOTH,
    causes: { idle: ["peer-reset"], "in-flight": ["peer-reset"] },
    strike: ({ network, peer }) => network.crashRight([peer], { reboot: true }),
  },
  {
    id: "peer-killed",
    title: "the peer process killed",
    effect: "tells",
    network: {},
    role: "sink",
    traffics: BOTH,
    causes: {
      idle: ["closed-by-peer", "peer-reset"],
      "in-flight": ["closed-by-peer", "peer-reset"],
    },
    tellsWithinMs: 250,
    strike: ({ peer }) => peer.signal("SIGKILL"),
  },
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
    title: "an outage of 0.4 budgets (2 s of 5) that heals",
    effect: "lives",
    network: {},
    role: "sink",
    traffics: BOTH,
    causes: WELL,
    lastsMs: ({ budgetMs }) => 2.5 * budgetMs,
    strike: async ({ network, budgetMs }) => {
      await network.pullCable("right");
      await sleep(0.4 * budgetMs);
      await network.plugCable("right");
    },
  },
  {
    id: "random-loss-10",
    title: "10 % of round trips lost",
    effect: "lives",
    network: { variant: "wire" },
    role: "sink",
    traffics: BOTH,
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
    traffics: BOTH,
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
    traffics: BOTH,
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
    traffics: BOTH,
    causes: WELL,
    lastsMs: ({ budgetMs }) => 4 * budgetMs,
    strike: ({ subject, budgetMs }) => stopFor(subject, 3 * budgetMs),
  },
];
