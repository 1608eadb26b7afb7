import type { Socket } from "node:net";
import { HalfOpenError } from "../core/errors.ts";
import { isPipe } from "../kernel/process/descriptor.ts";
import { ConnectionsWatch } from "../watch/connections-watch.ts";
import { endpointsOf } from "../watch/handle.ts";
import { recordOf } from "../watch/join.ts";
import type { WatchOptions } from "../watch/options.ts";
import { settingsOf } from "../watch/settings.ts";
import { surface } from "../watch/surface.ts";
import { adoptSockets, type Side } from "./adopt-sockets.ts";
import { type FoundConnection, type RuleOptions, Rules } from "./rules.ts";

/**
 * The options of {@link watchAll}: those of `watch` that need no heartbeat, and the choice of the
 * connections.
 */
export interface WatchAllOptions
  extends Omit<WatchOptions, "heartbeat" | "detector" | "expect">,
    RuleOptions {}

/**
 * The watch of every connection that this program opens, accepts, receives or inherits from now on.
 * Iterable; `size` counts the connections watched now, and those that are being opened.
 */
export class AllWatch extends ConnectionsWatch {
  readonly #rules: Rules;

  constructor(options: WatchAllOptions = {}) {
    const { rules, rest } = Rules.of(options);
    super(settingsOf(rest), rest.signal);
    this.#rules = rules;
    const onSocket = (socket: Socket, side: Side): void => this.#adopt(socket, side);
    this.begin(() => adoptSockets(onSocket, { servers: rules.watchesServers }));
  }

  /** @internal Called once a socket that was opened is connected and has an address. */
  isWanted(socket: Socket): boolean {
    const isWanted = this.#wants(socket, "client");
    const connection = recordOf(socket);
    if (!isWanted && connection) this.drop(connection);
    return isWanted;
  }

  #adopt(socket: Socket, side: Side): void {
    if (socket.destroyed || isPipe(socket)) return;
    const exists = !socket.pending;
    if (exists ? this.#wants(socket, side) : socket.connecting) this.take(socket);
  }

  #wants(socket: Socket, side: Side): boolean {
    const { remoteAddress, remotePort, localPort } = endpointsOf(socket);
    if (remoteAddress === undefined || remotePort === undefined) return false; // no TCP
    const found: FoundConnection = {
      socket,
      side,
      host: (socket as Socket & { _host?: string | null })._host ?? undefined,
      address: remoteAddress.replace(/^::ffff:/, ""),
      // The rules of a server are about its own port, because the port of its peer is arbitrary.
      port: (side === "client" ? remotePort : localPort) ?? remotePort,
    };
    try {
      return this.#rules.want(found);
    } catch (error) {
      this.#filterFailed(error, socket);
      return false;
    }
  }

  /** The program's own mistake is not hidden where nobody listens. */
  #filterFailed(error: unknown, socket: Socket): void {
    const refusal = new HalfOpenError(
      "ERR_OPTION_RANGE",
      `the filter of watchAll failed, so this connection is not watched: ${error}`,
      { cause: error },
    );
    if (this.listenerCount("unwatched") > 0) this.refuse(refusal, socket);
    else surface(refusal);
  }
}

/**
 * Watches every TCP and TLS connection that this program opens, accepts, receives from another
 * process or thread, or inherits as a descriptor, from now on: what `halfopen/auto` does, without
 * the environment. Sockets that exist already are left out, so call it early; servers that listen
 * already are covered.
 *
 * {@link AllWatch.close} ends it: no further socket is adopted, and those watched so far are as
 * they were before. A later call begins anew with the sockets opened after it. Several calls at
 * once join as watches of one socket do; each ends for itself.
 *
 * If `filter` throws, or returns no boolean, the connection is left alone; `unwatched` gets the
 * error, and without a listener it surfaces as an uncaught exception.
 *
 * @throws HalfOpenError `ERR_OPTION_RANGE` for an option out of range, `ERR_NOT_SUPPORTED` under
 * Bun.
 */
export function watchAll(options?: WatchAllOptions): AllWatch {
  return new AllWatch(options);
}
