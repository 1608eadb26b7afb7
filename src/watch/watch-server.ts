import { Server as NetServer, type Socket } from "node:net";
import { Server as TlsServer } from "node:tls";
import { HalfOpenError } from "../core/errors.ts";
import { type AcceptEvent, onAccepted } from "./accepted-sockets.ts";
import { ConnectionsWatch } from "./connections-watch.ts";
import type { WatchOptions } from "./options.ts";
import { settingsOf } from "./settings.ts";
import type { Subscriber } from "./subscribers.ts";

/** The options of {@link watchServer}: its heartbeat gets the socket of the connection to check. */
export interface WatchServerOptions extends Omit<WatchOptions, "heartbeat"> {
  readonly heartbeat?: ((socket: Socket) => PromiseLike<unknown> | unknown) | undefined;
}

type ServerHeartbeat = NonNullable<WatchServerOptions["heartbeat"]>;

/**
 * The watch of every connection that a server accepts from now on. Iterable; `size` counts the
 * connections watched now.
 */
export class ServerWatch extends ConnectionsWatch {
  constructor(server: NetServer, options: WatchServerOptions = {}) {
    const { heartbeat, ...rest } = options;
    const settings = settingsOf(
      heartbeat === undefined ? rest : { ...rest, heartbeat: heartbeat as () => unknown },
    );
    super(settings, options.signal);
    // A TLS server emits the TLSSocket, which has the program's handlers, only with this event.
    // Before it, the server's handshakeTimeout guards the connection.
    const event: AcceptEvent = server instanceof TlsServer ? "secureConnection" : "connection";
    const onSocket = (socket: Socket): void =>
      this.take(socket, heartbeat ? this.#asking(socket, heartbeat) : this);
    this.begin(() => onAccepted(server, event, onSocket));
  }

  /** Returns the subscriber of one connection: a heartbeat needs settings of its own for each. */
  #asking(socket: Socket, heartbeat: ServerHeartbeat): Subscriber {
    return {
      settings: { ...this.settings, heartbeat: () => heartbeat(socket) },
      notify: (event, diagnosis, connection) => this.notify(event, diagnosis, connection),
      unwatched: (error, connection) => this.unwatched(error, connection),
    };
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
