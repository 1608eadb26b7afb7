import type { Cause } from "../core/diagnosis.ts";
import type { Network, NetworkOptions } from "./network.ts";
import type { PeerRole } from "./peer-ports.ts";
import type { Traffic } from "./subject-messages.ts";
import type { LabProcess } from "./world.ts";

/** Where a fault strikes. */
export interface Stage {
  readonly network: Network;
  readonly subject: LabProcess;
  readonly peer: LabProcess;
  readonly budgetMs: number;
  readonly isQuick: boolean;
}

/**
 * `cuts`: the peer is gone without a word and must be found inside the budget. `tells`: the kernel learns of it by itself.
 * `lives`: the peer lives, so every death is a false alarm.
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
  /** Share of the round trips that are lost while it lasts; default none. */
  readonly roundTripLoss?: number;
  /** Programs that the fault needs beside iproute2. */
  readonly needs?: readonly string[];
  /** How long the connections run before the strike. */
  readonly warmUpMs?: number;
  /** For `tells`: within this time after the strike, where it is not the whole budget. */
  readonly tellsWithinMs?: number;
  /** For `lives`: how long it lasts. */
  lastsMs?(stage: Pick<Stage, "budgetMs" | "isQuick">): number;
  /** What is so before anybody connects. */
  prepare?(network: Network): Promise<unknown>;
  strike(stage: Stage): Promise<unknown>;
}
