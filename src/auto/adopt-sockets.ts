import { subscribe } from "node:diagnostics_channel";
import { type Server, Socket } from "node:net";
import { Server as TlsServer } from "node:tls";
import { HalfOpenError } from "../core/errors.ts";

/** `client`: the program opened the socket. `server`: the program, or its parent, accepted it. */
export type Side = "client" | "server";

/**
 * Calls `onSocket` for every TCP and TLS socket that this program opens or accepts from now on, on
 * every Node line.
 *
 * The diagnostics channels announce accepted sockets on every line, and all outgoing ones since
 * Node 22. On Node 20 `net.client.socket` misses `new Socket().connect()` (pg) and `tls.connect()`,
 * so connect() itself is wrapped there.
 *
 * @throws HalfOpenError `ERR_NOT_SUPPORTED` under Bun
 */
export function adoptSockets(
  onSocket: (socket: Socket, side: Side) => void,
  options: { readonly servers: boolean },
): void {
  if (process.versions.bun !== undefined)
    throw new HalfOpenError(
      "ERR_NOT_SUPPORTED",
      "Bun's diagnostics channels do not tell of its sockets (1.4): call watch() in the program",
    );

  if (Number.parseInt(process.versions.node, 10) >= 22)
    subscribe("net.client.socket", (message) =>
      onSocket((message as { socket: Socket }).socket, "client"),
    );
  else wrapConnect(onSocket);

  if (options.servers) {
    adoptAccepted(onSocket);
    if (process.send) adoptReceived(onSocket);
  }
}

function wrapConnect(onSocket: (socket: Socket, side: Side) => void): void {
  const { connect } = Socket.prototype;
  function connectAndTell(this: Socket, ...args: unknown[]): Socket {
    onSocket(this, "client");
    return Reflect.apply(connect, this, args) as Socket;
  }
  Socket.prototype.connect = connectAndTell as typeof connect;
}

/**
 * Adopts accepted sockets. A TLS server's raw socket has no handlers of the program. Its TLSSocket
 * has them, and exists once the handshake is done.
 */
function adoptAccepted(onSocket: (socket: Socket, side: Side) => void): void {
  const known = new WeakSet<Server>();
  subscribe("net.server.socket", (message) => {
    const { socket } = message as { socket: Socket & { server?: Server } };
    const { server } = socket;
    if (!(server instanceof TlsServer)) onSocket(socket, "server");
    else if (!known.has(server)) {
      known.add(server);
      server.on("secureConnection", (secure) => onSocket(secure, "server"));
    }
  });
}

/**
 * Adopts sockets that the parent process accepted and sent (`subprocess.send(message, socket)`). No
 * channel announces them, and a listener for 'message' would keep the process alive.
 */
function adoptReceived(onSocket: (socket: Socket, side: Side) => void): void {
  const { emit } = process;
  process.emit = function emitAndTell(this: NodeJS.Process, ...args: unknown[]): boolean {
    const [event, , handle] = args;
    if (event === "message" && handle instanceof Socket) onSocket(handle, "server");
    return Reflect.apply(emit, this, args) as boolean;
  } as typeof process.emit;
}
