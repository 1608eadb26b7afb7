import { EventEmitter } from "node:events";
import { Server as NetServer, type Socket } from "node:net";
import { Server as TlsServer } from "node:tls";
import type { Diagnosis, State } from "../core/diagnosis.ts";
import { HalfOpenError } from "../core/errors.ts";
import { type AcceptEvent, onAccepted } from "./accepted-sockets.ts";
import type { Applied } from "./applied.ts";
import { join } from "./join.ts";
import type { WatchOptions } from "./options.ts";
import { settingsOf, type WatchSettings } from "./settings.ts";
import { connectionOf } from "./socket-events.ts";
import type { Subscriber, WatchEvent, WatchedConnection, WatchRecord } from "./subscribers.ts";
import { labelled } from "./subscribers.ts";
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

/** The options of {@link watchServer}: its heartbeat gets the socket of the connection to check. */
export interface WatchServerOptions extends Omit<WatchOptions, "heartbeat"> {
  readonly heartbeat?: ((socket: Socket) => PromiseLike<unknown> | unknown) | undefined;
}

/**
 * The watch of every connection that a server accepts from now on. Iterable; `size` counts the
 * connections watched now.
 */
export class ServerWatch
  extends EventEmitter<ServerWatchEvents>
  implements Subscriber, Disposable, Iterable<WatchedConnection>
{
  readonly settings: WatchSettings;
  readonly #connections: Set<WatchRecord> = new Set<WatchRecord>();
  readonly #heartbeat: ((socket: Socket) => PromiseLike<unknown> | unknown) | undefined;
  readonly #signal: AbortSignal | undefined;
  #stopAccepting: (() => void) | null = null;
  #isClosed = false;

  constructor(server: NetServer, options: WatchServerOptions = {}) {
    super();
    const { heartbeat, ...rest } = options;
    this.settings = settingsOf(
      heartbeat === undefined ? rest : { ...rest, heartbeat: heartbeat as () => unknown },
    );
    this.#heartbeat = heartbeat;
    // A TLS server emits the TLSSocket, which has the program's handlers, only with this event.
    // Before it, the server's handshakeTimeout guards the connection.
    const event: AcceptEvent = server instanceof TlsServer ? "secureConnection" : "connection";
    this.#signal = options.signal;
    if (this.#signal?.aborted) this.#isClosed = true;
    else {
      this.#stopAccepting = onAccepted(server, event, this.#onConnection);
      this.#signal?.addEventListener("abort", this.#onAbort, { once: true });
    }
  }

  get size(): number {
    return this.#connections.size;
  }

  *[Symbol.iterator](): IterableIterator<WatchedConnection> {
    for (const connection of this.#connections) yield new Served(connection, this.settings);
  }

  /** Ends the watch and leaves every socket as it was. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#stopAccepting?.();
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
    this.#tellUnwatched(error, connection.socket);
  }

  readonly #onAbort = (): void => this.close();

  readonly #onConnection = (socket: Socket): void => {
    try {
      const real = watchableSocket(socket);
      const known = connectionOf(real);
      // A program may emit a socket again, after it has looked at its first bytes.
      if (known && this.#connections.has(known)) return;
      const subscriber = this.#newSubscriber(socket);
      const connection = join(real, subscriber);
      this.#connections.add(connection);
      if (subscriber !== this) this.#subscribers.set(connection, subscriber);
    } catch (error) {
      if (error instanceof HalfOpenError) this.#tellUnwatched(error, socket);
      else surface(error);
    }
  };

  #tellUnwatched(error: HalfOpenError, socket: Socket): void {
    try {
      this.emit("unwatched", error, socket);
    } catch (thrown) {
      surface(thrown);
    }
  }

  readonly #subscribers: WeakMap<WatchRecord, Subscriber> = new WeakMap();

  /**
   * Returns the subscriber of one connection. Without a heartbeat this watch subscribes to all; a
   * heartbeat needs settings of its own for each connection.
   */
  #newSubscriber(socket: Socket): Subscriber {
    const heartbeat = this.#heartbeat;
    if (!heartbeat) return this;
    return {
      settings: { ...this.settings, heartbeat: () => heartbeat(socket) },
      notify: (event, diagnosis, connection) => this.notify(event, diagnosis, connection),
      unwatched: (error, connection) => this.unwatched(error, connection),
    };
  }

  #subscriberOf(connection: WatchRecord): Subscriber {
    return this.#subscribers.get(connection) ?? this;
  }
}

/** A watched connection that diagnoses with the label of this server's watch. */
class Served implements WatchedConnection {
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

/**
 * Watches every connection that a net, tls, http, https or http2 server accepts from now on.
 * @throws HalfOpenError `ERR_OPTION_RANGE`, `ERR_NOT_SUPPORTED` for what is not such a server.
 */
export function watchServer(server: NetServer, options?: WatchServerOptions): ServerWatch {
  if (!(server instanceof NetServer)) {
    throw new HalfOpenError(
      "ERR_NOT_SUPPORTED",
      `watchServer needs a net, tls, http, https or http2 server, got ${typeof server}`,
    );
  }
  return new ServerWatch(server, options);
}
