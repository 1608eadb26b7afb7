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
  /** What is hidden from the watched program, as HALFOPEN_MASK names it. */
  readonly mask?: string;
  /** Leaves the connections over TLS out. */
  readonly isPlainOnly?: boolean;
  /** Time that the connections run before the strike. */
  readonly warmUpMs?: number;
  /**
   * Time after the strike within which `watch` must have found the end; `null`: it promises none.
   * Default: the time that `watch` promises on a short path.
   */
  foundWithinMs?(budgetMs: number, traffic: Traffic, surviveOutageMs: number): number | null;
  /** Time after the strike during which the watched program stands still and notices nothing. */
  stoppedMs?(budgetMs: number): number;
  /** Data of the program's stands before each heartbeat. */
  readonly blocksHeartbeats?: boolean;
  /** Data is in flight before the program stops. */
  readonly leavesData?: boolean;
  /**
   * What `unknown` must say of a connection that is still open. Its diagnosis must then not be
   * certain.
   */
  readonly doubt?: RegExp;
  /** For `lives`: length of the fault. */
  lastsMs?(stage: Pick<Stage, "budgetMs" | "surviveOutageMs" | "isQuick">): number;
  /** Sets up what the fault needs, before the connections open. */
  prepare?(network: Network): Promise<unknown>;
  strike(stage: Stage): Promise<unknown>;
}

/**
 * `cuts`: the peer is gone without a word, or what is sent cannot reach it, and it must be found
 * dead within the budget. `tells`: a kernel reports the end. `lives`: the peer lives, so every
 * death is a false alarm. `hides`: the peer is gone, and something else answers for it, so the
 * kernel has nothing to find.
 */
export type Effect = "cuts" | "tells" | "lives" | "hides";

/** The network and the processes that a fault strikes. */
export interface Stage {
  readonly network: Network;
  readonly subject: LabProcess;
  readonly peer: LabProcess;
  readonly budgetMs: number;
  /** The longest outage that must not end a connection. */
  readonly surviveOutageMs: number;
  readonly isQuick: boolean;
}

export const BOTH_TRAFFICS: readonly Traffic[] = ["idle", "in-flight"];
