import type { Cause } from "../core/diagnosis.ts";
import type { LabProcess } from "./lab-machine.ts";
import type { Network, NetworkOptions } from "./network.ts";
import type { PeerRole } from "./peer-ports.ts";
import type { Traffic } from "./subject-messages.ts";

/** One way in which a connection goes wrong, and the diagnoses that are then right. */
export interface Fault {
  readonly id: string;
  readonly title: string;
  readonly effect: Effect;
  readonly network: NetworkOptions;
  readonly role: PeerRole;
  readonly traffics: readonly Traffic[];
  /** Diagnoses that are right; for `lives`, during the fault or right after it. */
  readonly causes: Readonly<Record<Traffic, readonly Cause[]>>;
  /** Programs that the fault needs beside iproute2. */
  readonly needs?: readonly string[];
  /** Time that the connections run before the strike. */
  readonly warmUpMs?: number;
  /** For `tells`: the end must arrive within this time after the strike. Default: the budget. */
  readonly tellsWithinMs?: number;
  /** For `lives`: length of the fault. */
  lastsMs?(stage: Pick<Stage, "budgetMs" | "isQuick">): number;
  strike(stage: Stage): Promise<unknown>;
}

/**
 * `cuts`: the peer is gone without a word and must be found dead within the budget. `tells`: a
 * kernel reports the end. `lives`: the peer lives, so every death is a false alarm.
 */
export type Effect = "cuts" | "tells" | "lives";

/** The network and the processes that a fault strikes. */
export interface Stage {
  readonly network: Network;
  readonly subject: LabProcess;
  readonly peer: LabProcess;
  readonly budgetMs: number;
  readonly isQuick: boolean;
}

export const BOTH_TRAFFICS: readonly Traffic[] = ["idle", "in-flight"];
