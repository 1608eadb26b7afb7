import { EventEmitter } from "node:events";
import type { Socket } from "node:net";
import type { Diagnosis, State } from "../core/diagnosis.ts";
import { HalfOpenError } from "../core/errors.ts";
import { whyNoKernelEvidence as tryKernel } from "../kernel/tcp-info/kernel-evidence.ts";
import type { Applied } from "./applied.ts";
import { join, recordOf } from "./join.ts";
import type { WatchSettings } from "./settings.ts";
import {
  labelled,
  type Subscriber,
  type WatchEvent,
  type WatchedConnection,
  type WatchRecord,
} from "./subscribers.ts";
import { surface } from "./surface.ts";
import { watchableSocket } from "./watchable.ts";

export interface ServerWatchEvents {
  suspect: [diagnosis: Diagnosis, socket: Socket];
  overdue: [diagnosis: Diagnosis, socket: Socket];
  alive: [diagnosis: Diagnosis, socket: Socket];
  dead: [diagnosis: Diagnosis, socket: Socket];
  close: [diagnosis: Diagnosis, socket: Socket];
  /**
   * The connection cannot be watched (a Unix-domain socket, say), or not any longer. It is left as
   * it is.
   */
  unwatched: [error: HalfOpenError, socket: Socket];
}

/**
 * One watch of many connections, which come one by one. Iterable; `size` counts the connections
 * watched now.
 */
export abstract class ConnectionsWatch
  extends EventEmitter<ServerWatchEvents>
  implements Subscriber, Disposable, Iterable<WatchedConnection>
{
  readonly settings: WatchSettings;
  readonly #connections: Set<WatchRecord> = new Set<WatchRecord>();
  /** Of the connections that have one of their own. */
  readonly #subscribers: WeakMap<WatchRecord, Subscriber> = new WeakMap();
  readonly #signal: AbortSignal | undefined;
  #stop: (() => void) | null = null;
  #isClosed = false;

  constructor(settings: WatchSettings, signal: AbortSignal | undefined) {
    super();
    this.settings = settings;
    this.#signal = signal;
  }

  get size(): number {
    return this.#connections.size;
  }

  *[Symbol.iterator](): IterableIterator<WatchedConnection> {
    for (const connection of this.#connections) yield new OneOfMany(connection, this.settings);
  }

  /** Ends the watch and leaves every socket as it was. Safe to call twice. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#stop?.();
    this.#signal?.removeEventListener("abort", this.#onAbort);
    for (const connection of [...this.#connections])
      connection.leave(this.#subscriberOf(connection));
    this.#connections.clear();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** @internal Called by a connection. */
  notify(event: WatchEvent, diagnosis: Diagnosis, connection: WatchRecord): void {
    if (event === "close") this.#connections.delete(connection);
    try {
      this.emit(event, diagnosis, connection.socket);
    } catch (error) {
      surface(error);
    }
  }

  /** @internal Called by a connection. */
  unwatched(error: HalfOpenError, connection: WatchRecord): void {
    this.#connections.delete(connection);
    this.refuse(error, connection.socket);
  }

  /**
   * @internal Calls `start`, which begins to bring connections and returns what stops that, unless
   * the signal has ended this watch already. The kernel is tried here, because its first use takes
   * some 12 ms: they would hold up the first connection.
   */
  protected begin(start: () => () => void): void {
    if (this.#signal?.aborted) this.#isClosed = true;
    else {
      tryKernel();
      this.#stop = start();
      this.#signal?.addEventListener("abort", this.#onAbort, { once: true });
    }
  }

  /**
   * @internal Watches one more connection; nothing changes if this watch has it already.
   * `subscriber`: what gets its events, if not this watch itself.
   */
  protected take(socket: Socket, subscriber: Subscriber = this): void {
    try {
      const real = watchableSocket(socket);
      const known = recordOf(real);
      // A program may emit a socket again, after it has looked at its first bytes.
      if (known && this.#connections.has(known)) return;
      const connection = join(real, subscriber);
      this.#connections.add(connection);
      if (subscriber !== this) this.#subscribers.set(connection, subscriber);
    } catch (error) {
      if (error instanceof HalfOpenError) this.refuse(error, socket);
      else surface(error);
    }
  }

  /** @internal The connection ends without 'close', because it is not wanted. */
  protected drop(connection: WatchRecord): void {
    this.#connections.delete(connection);
  }

  /** @internal Reports that a connection is not watched. */
  protected refuse(error: HalfOpenError, socket: Socket): void {
    try {
      this.emit("unwatched", error, socket);
    } catch (thrown) {
      surface(thrown);
    }
  }

  #subscriberOf(connection: WatchRecord): Subscriber {
    return this.#subscribers.get(connection) ?? this;
  }

  readonly #onAbort = (): void => this.close();
}

/** A watched connection that diagnoses with the label of the watch. */
class OneOfMany implements WatchedConnection {
  readonly socket: Socket;
  readonly #connection: WatchRecord;
  readonly #settings: WatchSettings;

  constructor(connection: WatchRecord, settings: WatchSettings) {
    this.socket = connection.socket;
    this.#connection = connection;
    this.#settings = settings;
  }

  get state(): State {
    return this.#connection.state;
  }

  get applied(): Applied | null {
    return this.#connection.applied;
  }

  get rttMs(): number | null {
    return this.#connection.rttMs;
  }

  get silentForMs(): number | null {
    return this.#connection.silentForMs;
  }

  diagnose(): Diagnosis {
    return labelled(this.#connection.diagnose(), this.#settings);
  }
}
