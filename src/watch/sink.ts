import type { Diagnosis } from "../core/diagnosis.ts";
import type { HalfOpenError } from "../core/errors.ts";
import type { Connection } from "./connection.ts";
import type { WatchSettings } from "./options.ts";

/** What a watch tells while it lasts; `close` is its end. */
export const NEWS = ["suspect", "overdue", "alive", "dead"] as const;

export type WatchEvent = (typeof NEWS)[number] | "close";

/** Who wants to know: a watcher, or the watch of a server for all its connections. */
export interface Sink {
  readonly settings: WatchSettings;
  notify(event: WatchEvent, diagnosis: Diagnosis, connection: Connection): void;
  /** Nothing more will come: the connection cannot be watched, or not any longer. */
  unwatched(error: HalfOpenError, connection: Connection): void;
}
