import type { Socket } from "node:net";
import type { Diagnosis, State } from "../core/diagnosis.ts";
import type { HalfOpenError } from "../core/errors.ts";
import type { Applied } from "./applied.ts";
import { merge } from "./merge-settings.ts";
import type { WatchSettings } from "./settings.ts";

/** Receives the events of a connection: a watcher, or a server's watch for all its connections. */
export interface Subscriber {
  readonly settings: WatchSettings;
  /**
   * Asked once a connection exists that did not when its watch began: `false` ends this watch of
   * it, silently and before anything is set. Without this method each is wanted.
   */
  isWanted?(socket: Socket): boolean;
  notify(event: WatchEvent, diagnosis: Diagnosis, connection: WatchRecord): void;
  /** The last call: the connection cannot be watched, or not any longer. */
  unwatched(error: HalfOpenError, connection: WatchRecord): void;
}

/** The events of a watch while it lasts; `close` ends it. */
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

/** The record of one connection, as its subscribers know it. */
export interface WatchRecord extends WatchedConnection {
  /** Ends one of the watches. The last one leaves the socket as it was. */
  leave(subscriber: Subscriber): void;
}

/** Several watches of one connection, which serves them as one. */
class Several implements Subscriber {
  readonly all: readonly Subscriber[];
  readonly settings: WatchSettings;

  constructor(all: readonly Subscriber[]) {
    this.all = all;
    this.settings = all.map((one) => one.settings).reduce(merge);
  }

  notify(event: WatchEvent, diagnosis: Diagnosis, connection: WatchRecord): void {
    for (const one of this.all) one.notify(event, labelled(diagnosis, one.settings), connection);
  }

  unwatched(error: HalfOpenError, connection: WatchRecord): void {
    for (const one of this.all) one.unwatched(error, connection);
  }
}

export function withSubscriber(to: Subscriber, subscriber: Subscriber): Subscriber {
  return new Several([...allOf(to), subscriber]);
}

/**
 * Returns the rest without `subscriber`: `null` if nobody is left, `from` itself if `subscriber`
 * was not part of it.
 */
export function withoutSubscriber(from: Subscriber, subscriber: Subscriber): Subscriber | null {
  const all = allOf(from);
  const left = all.filter((one) => one !== subscriber);
  return left.length === all.length ? from : serving(left);
}

/** Returns those that want a connection that now exists; `null` if nobody does. */
export function whoWants(subscriber: Subscriber, socket: Socket): Subscriber | null {
  const all = allOf(subscriber);
  const wanting = all.filter((one) => one.isWanted?.(socket) !== false);
  return wanting.length === all.length ? subscriber : serving(wanting);
}

/** Returns the diagnosis with the label that this watch gave the connection. */
export function labelled(diagnosis: Diagnosis, { label }: WatchSettings): Diagnosis {
  return diagnosis.label === label ? diagnosis : { ...diagnosis, label };
}

function serving(all: readonly Subscriber[]): Subscriber | null {
  return all.length > 1 ? new Several(all) : (all[0] ?? null);
}

function allOf(subscriber: Subscriber): readonly Subscriber[] {
  return subscriber instanceof Several ? subscriber.all : [subscriber];
}
