import { randomBytes } from "node:crypto";
import type { Duplex } from "node:stream";
import { HalfOpenError } from "../../core/errors.ts";
import {
  ASKS_AGAIN,
  ClientWatch,
  type ClientWatchOptions,
  type OnSocket,
} from "../client-watch.ts";

/** The members of a WebSocket (package ws 8), client or server side, that are used here. */
export interface WebSocketLike {
  readonly readyState: number;
  ping(data: Buffer, mask?: boolean, callback?: (error?: Error) => void): void;
  on(event: "pong" | "open" | "close", listener: (data: Buffer) => void): unknown;
  off(event: "pong" | "open" | "close", listener: (data: Buffer) => void): unknown;
}

/** The members of a WebSocketServer that are used here. */
export interface WebSocketServerLike {
  /** Unless the server was made with `clientTracking: false`. */
  readonly clients?: Iterable<WebSocketLike> | undefined;
  on(event: "connection", listener: (ws: WebSocketLike) => void): unknown;
  off(event: "connection", listener: (ws: WebSocketLike) => void): unknown;
}

const OPEN = 1;
const MARK_BYTES = 8;

/**
 * Sends a WebSocket ping (RFC 6455, 5.5.2) and resolves with its pong, recognised by the random
 * bytes that it carries, or with that of a later ping. Returns `undefined` while the WebSocket is
 * not open.
 */
export function wsPing(ws: WebSocketLike): Promise<void> | undefined {
  if (ws.readyState !== OPEN) return undefined;
  const pings = open.get(ws) ?? new OpenPings(ws);
  open.set(ws, pings);
  return pings.send();
}

interface OpenPing {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** The pings of one WebSocket that wait for their pongs, the oldest first. */
class OpenPings {
  readonly #ws: WebSocketLike;
  readonly #waiting: Map<string, OpenPing> = new Map();

  constructor(ws: WebSocketLike) {
    this.#ws = ws;
  }

  send(): Promise<void> {
    const mark = randomBytes(MARK_BYTES);
    const key = mark.toString("hex");
    return new Promise((resolve, reject) => {
      if (this.#waiting.size === 0) {
        this.#ws.on("pong", this.#onPong);
        this.#ws.on("close", this.#onClose);
      }
      this.#waiting.set(key, { resolve, reject });
      this.#ws.ping(mark, undefined, (error) => {
        if (error) this.#take(key)?.reject(error);
      });
    });
  }

  /** A peer may answer the newest of several pings only (5.5.3). */
  readonly #onPong = (data: Buffer): void => {
    const answered = data.toString("hex");
    if (!this.#waiting.has(answered)) return;
    for (const key of [...this.#waiting.keys()]) {
      this.#take(key)?.resolve();
      if (key === answered) return;
    }
  };

  readonly #onClose = (): void => {
    for (const key of [...this.#waiting.keys()])
      this.#take(key)?.reject(new Error("the WebSocket closed before its pong"));
  };

  #take(key: string): OpenPing | undefined {
    const ping = this.#waiting.get(key);
    this.#waiting.delete(key);
    if (ping && this.#waiting.size === 0) {
      this.#ws.off("pong", this.#onPong);
      this.#ws.off("close", this.#onClose);
    }
    return ping;
  }
}

const open = new WeakMap<WebSocketLike, OpenPings>();

/** Returns whether either end has begun the closing handshake (RFC 6455, 7.1.2). */
export function hasEnded({ readyState }: WebSocketLike): boolean {
  return readyState > OPEN;
}

/**
 * Returns the socket under a WebSocket, or the stream that it was put over; `undefined` before it
 * is open.
 */
export function socketOf(ws: WebSocketLike): Duplex | undefined {
  return (ws as { _socket?: Duplex })._socket;
}

/** Calls `onSocket` for a WebSocket that is open. */
function begin(ws: WebSocketLike, onSocket: OnSocket): void {
  const socket = socketOf(ws);
  if (socket)
    onSocket(
      socket,
      () => wsPing(ws),
      () => hasEnded(ws),
    );
}

/**
 * Watches one WebSocket, passed before or after it opens.
 *
 * @throws HalfOpenError `ERR_NOT_SUPPORTED` for a WebSocket without ping, such as Node's own
 */
export function watchWs(ws: WebSocketLike, options?: ClientWatchOptions): ClientWatch {
  requirePing(ws);
  return new ClientWatch(
    (onSocket) => {
      const onOpen = (): void => begin(ws, onSocket);
      if (ws.readyState === OPEN) onOpen();
      else ws.on("open", onOpen);
      return () => void ws.off("open", onOpen);
    },
    options,
    ASKS_AGAIN,
  );
}

/**
 * Refuses the WebSocket of browsers, which Node and undici have too: it has no ping, and hides its
 * socket.
 */
function requirePing(ws: Partial<WebSocketLike>): void {
  if (typeof ws.ping === "function") return;
  throw new HalfOpenError(
    "ERR_NOT_SUPPORTED",
    "this WebSocket has no ping(), as Node's own and undici's: use the package ws, or halfopen/auto, which judges the host of every connection",
  );
}

/** Watches every WebSocket of a server: those that it has, and those that it accepts later. */
export function watchWsServer(
  server: WebSocketServerLike,
  options?: ClientWatchOptions,
): ClientWatch {
  return new ClientWatch(
    (onSocket) => {
      const onConnection = (ws: WebSocketLike): void => begin(ws, onSocket);
      for (const ws of server.clients ?? []) if (ws.readyState === OPEN) onConnection(ws);
      server.on("connection", onConnection);
      return () => void server.off("connection", onConnection);
    },
    options,
    ASKS_AGAIN,
  );
}
