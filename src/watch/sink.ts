import type { Diagnosis } from "../core/diagnosis.ts";
import type { HalfOpenError } from "../core/errors.ts";
import type { Connection } from "./connection.ts";
import type { WatchSettings } from "./options.ts";

export type WatchEvent = "suspect" | "overdue" | "alive" | "dead" | "close";

/** Who wants to know: a watcher, or the watch of a server for all its connections. */
export interface Sink {
  readonly settings: WatchSettings;
  notify(event: WatchEvent, diagnosis: Diagnosis, connection: Connection): void;
  /** Nothing more will come: the connection cannot be watched, or not any longer. */
  unwatched(error: HalfOpenError, connection: Connection): void;
}
