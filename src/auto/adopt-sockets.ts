import { subscribe } from "node:diagnostics_channel";
import { type Server, Socket } from "node:net";
import { TLSSocket, Server as TlsServer } from "node:tls";
import { HalfOpenError } from "../core/errors.ts";
import { nextTick } from "../kernel/clock.ts";
import { onAccepted } from "../watch/accepted-sockets.ts";
import { followUpgrade } from "../watch/join.ts";
import { adoptInherited } from "./inherited-sockets.ts";
import { after } from "./wrap-method.ts";

/**
 * `client`: the program opened the socket. `server`: the program accepted it, or another one did
 * that handed it over.
 */
export type Side = "client" | "server";

type OnSocket = (socket: Socket, side: Side) => void;

/**
 * Calls `onSocket` for every TCP and TLS socket that this program opens, accepts, receives or
 * inherits from now on, on every Node line; again for one that is connected again. Adds no
 * listeners: a program counts those of its sockets and servers, and takes them off. Returns a
 * function that ends it.
 *
 * @throws HalfOpenError `ERR_NOT_SUPPORTED` under Bun
 */
export function adoptSockets(
  onSocket: OnSocket,
  options: { readonly servers: boolean },
): () => void {
  if (process.versions.bun !== undefined)
    throw new HalfOpenError(
      "ERR_NOT_SUPPORTED",
      "Bun's diagnostics channels do not tell of its sockets (1.4): call watch() in the program",
    );

  const sides: readonly Side[] = options.servers ? ["client", "server"] : ["client"];
  for (const side of sides) hear(side, onSocket);
  return () => {
    for (const side of sides) hearers[side].delete(onSocket);
  };
}

const hearers: Readonly<Record<Side, Set<OnSocket>>> = { client: new Set(), server: new Set() };
const hooked = new Set<Side>();

/** Node is hooked once for each side, and stays so: other code may have put its hooks over ours. */
function hear(side: Side, onSocket: OnSocket): void {
  hearers[side].add(onSocket);
  if (hooked.has(side)) return;
  hooked.add(side);
  HOOKS[side]((socket) => {
    for (const each of hearers[side]) each(socket, side);
  });
}

const HOOKS: Readonly<Record<Side, (onSocket: (socket: Socket) => void) => void>> = {
  client(onSocket) {
    adoptOpened(onSocket);
    followUpgrades();
  },
  server(onSocket) {
    adoptAccepted(onSocket);
    adoptInherited(onSocket);
  },
};

/**
 * Adopts sockets once their `connect` call is done, because a socket that is connected again is
 * still destroyed when that call begins.
 *
 * The diagnostics channel announces all calls since Node 22. On Node 20 it misses
 * `new Socket().connect()` (pg) and `tls.connect()`, so connect() itself is wrapped there.
 */
function adoptOpened(onSocket: (socket: Socket) => void): void {
  const due = new WeakSet<Socket>();
  const opened = (socket: Socket): void => {
    if (due.has(socket)) return;
    due.add(socket);
    nextTick(() => {
      due.delete(socket);
      onSocket(socket);
    });
  };
  if (Number.parseInt(process.versions.node, 10) < 22) after(Socket.prototype, "connect", opened);
  else subscribe("net.client.socket", (message) => opened((message as { socket: Socket }).socket));
}

/**
 * Follows a watched socket to the TLSSocket that the program puts over it (STARTTLS, a CONNECT
 * proxy), because that is where it listens for errors from then on. `_init` is the last step of
 * TLSSocket's constructor; no channel announces one.
 */
function followUpgrades(): void {
  if ("_init" in TLSSocket.prototype) after(TLSSocket.prototype, "_init", followUpgrade);
}

/**
 * Adopts accepted sockets. A TLS server's raw socket has no handlers of the program. Its TLSSocket
 * has them, and exists once the handshake is done.
 */
function adoptAccepted(onSocket: (socket: Socket) => void): void {
  const known = new WeakSet<Server>();
  subscribe("net.server.socket", (message) => {
    const { socket } = message as { socket: Socket & { server?: Server } };
    const { server } = socket;
    if (!(server instanceof TlsServer)) onSocket(socket);
    else if (!known.has(server)) {
      known.add(server);
      onAccepted(server, "secureConnection", onSocket);
    }
  });
}
