import { BOTH_TRAFFICS, type Fault } from "./fault.ts";

/** Faults that end the connection with a segment from the peer's kernel. */
export const TOLD_FAULTS: readonly Fault[] = [
  {
    id: "peer-rebooted",
    title: "the peer's host crashes and comes back with the same address",
    effect: "tells",
    network: {},
    role: "sink",
    traffics: BOTH_TRAFFICS,
    causes: { idle: ["peer-reset"], "in-flight": ["peer-reset"] },
    strike: ({ network, peer }) => network.crashRight([peer], { reboot: true }),
  },
  {
    id: "peer-killed",
    title: "the peer process killed",
    effect: "tells",
    network: {},
    role: "sink",
    traffics: BOTH_TRAFFICS,
    causes: {
      idle: ["closed-by-peer", "peer-reset"],
      "in-flight": ["closed-by-peer", "peer-reset"],
    },
    foundWithinMs: () => 0,
    strike: ({ peer }) => peer.signal("SIGKILL"),
  },
];
