import type { Socket } from "node:net";
import type { Diagnosis, State } from "../core/diagnosis.ts";
import type { HalfOpenError } from "../core/errors.ts";
import type { Applied } from "./applied.ts";
import type { WatchSettings } from "./options.ts";

/** What a watch tells while it lasts; `close` is its end. */
export const NEWS = ["suspect", "overdue", "alive", "dead"] as const;

export type WatchEvent = (typeof NEWS)[number] | "close";

/** One watched connection, as the watch of a server yields it to a program. */
export interface WatchedConnection {
  readonly socket: Socket;
  readonly state: State;
  readonly applied: Applied | null;
  readonly rttMs: number | null;
  readonly silentForMs: number | null;
  diagnose(): Diagnosis;
}

/** The record of one connection, as its sinks know it. */
export interface WatchRecord extends WatchedConnection {
  /** One of the watches ends; the last one leaves the socket as it was. */
  leave(sink: Sink): void;
}

/** Who wants to know: a watcher, or the watch of a server for all its connections. */
export interface Sink {
  readonly settings: WatchSettings;
  notify(event: WatchEvent, diagnosis: Diagnosis, connection: WatchRecord): void;
  /** Nothing more will come: the connection cannot be watched, or not any longer. */
  unwatched(error: HalfOpenError, connection: WatchRecord): void;
}
