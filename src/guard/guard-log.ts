import type { Diagnosis, OtherConnections } from "../core/diagnosis.ts";
import type { Judgement } from "../core/judge/judgement.ts";
import type { Instant } from "../core/time/instant.ts";
import type { ConnectionOptions } from "../kernel/options/connection-options.ts";
import { diagnoseGuarded } from "./diagnosis.ts";
import type { GuardAction, GuardEvent } from "./event.ts";
import type { Guarded } from "./guarded.ts";
import type { GuardWorld } from "./world.ts";

/** Writes the guard's log, with the evidence. Repeats no topic of a connection. */
export class GuardLog {
  readonly #world: GuardWorld;
  readonly #write: (event: GuardEvent) => void;

  constructor(world: GuardWorld, write: (event: GuardEvent) => void) {
    this.#world = world;
    this.#write = write;
  }

  /** Writes the entry unless the topic was written before. `connection.said` holds the topics. */
  once(connection: Guarded, topic: string, entry: LogEntry): void {
    if (connection.said.has(topic)) return;

    connection.said.add(topic);
    this.write(connection, entry);
  }

  /**
   * Returns the evidence behind a judgement, gathered when it is needed: it examines the path.
   */
  diagnosing(
    connection: Guarded,
    judgement: Judgement,
    now: Instant,
    others: OtherConnections | null,
  ): () => Diagnosis {
    return () =>
      diagnoseGuarded(connection, judgement, now, this.#world.examinePath(connection), others);
  }

  write(connection: Guarded, { action, reason, tuned, diagnose }: LogEntry): void {
    this.#write({
      time: new Date().toISOString(),
      action,
      rule: connection.by.rule.name,
      connection: connection.name,
      before: tuned?.before ?? null,
      after: tuned?.after ?? null,
      diagnosis: diagnose?.() ?? null,
      reason,
    });
  }
}

interface LogEntry {
  readonly action: GuardAction;
  /** Why, in words. */
  readonly reason: string;
  /** The settings before and after; default: none were read or changed. */
  readonly tuned?: {
    readonly before: ConnectionOptions | null;
    readonly after: ConnectionOptions | null;
  };
  /** See {@link GuardLog.diagnosing}. Called only for an entry that is written. */
  readonly diagnose?: () => Diagnosis;
}
