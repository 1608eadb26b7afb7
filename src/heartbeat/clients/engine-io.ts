import {
  ASKS_AGAIN,
  ClientWatch,
  type ClientWatchOptions,
  type OnSocket,
} from "../client-watch.ts";
import { hasEnded, socketOf, type WebSocketLike, wsPing } from "./ws.ts";

/** The members of an engine.io socket (6), client or server side, that are used here. */
export interface EngineSocketLike {
  readonly transport: unknown;
  once(event: "open" | "upgrade", listener: () => void): unknown;
}

/** The members of an engine.io server that are used here: `io.engine` of socket.io (4). */
export interface EngineServerLike {
  on(event: "connection", listener: (socket: EngineSocketLike) => void): unknown;
  off(event: "connection", listener: (socket: EngineSocketLike) => void): unknown;
}

/**
 * The member of a socket of socket.io-client (4) that is used here: its manager, which makes an
 * engine for each connection.
 */
export interface SocketIoLike {
  readonly io: {
    on(event: "open", listener: () => void): unknown;
    off(event: "open", listener: () => void): unknown;
  };
}

/**
 * Returns the WebSocket (package ws) under an engine: `ws` at the client, `socket` at the server.
 * Polling and other transports have none.
 */
function webSocketOf({ transport }: EngineSocketLike): WebSocketLike | undefined {
  const { ws, socket } = transport as {
    ws?: Partial<WebSocketLike>;
    socket?: Partial<WebSocketLike>;
  };
  return [ws, socket].find((one): one is WebSocketLike => typeof one?.ping === "function");
}

/**
 * Calls `onSocket` once, as soon as the engine has a WebSocket: now, when the engine opens, or when
 * it has upgraded from polling.
 */
function follow(engine: EngineSocketLike, onSocket: OnSocket): void {
  let isFound = false;
  const find = (): void => {
    const ws = webSocketOf(engine);
    const socket = ws && socketOf(ws);
    if (isFound || !socket) return;
    isFound = true;
    onSocket(
      socket,
      () => wsPing(ws),
      () => hasEnded(ws),
    );
  };

  find();
  if (isFound) return;
  engine.once("open", find);
  engine.once("upgrade", find);
}

/**
 * Watches one engine.io socket, client or server side, while it uses a WebSocket (package ws).
 * engine.io's own ping, which by default takes up to 45 s, goes on beside.
 */
export function watchEngineIo(socket: EngineSocketLike, options?: ClientWatchOptions): ClientWatch {
  return new ClientWatch(
    (onSocket) => {
      follow(socket, onSocket);
      return () => {};
    },
    options,
    ASKS_AGAIN,
  );
}

/**
 * Watches every engine.io socket of a server: those that it has, and those that it accepts later.
 * For a socket.io server, pass `io.engine`.
 */
export function watchEngineIoServer(
  server: EngineServerLike,
  options?: ClientWatchOptions,
): ClientWatch {
  return new ClientWatch(
    (onSocket) => {
      const begin = (socket: EngineSocketLike): void => follow(socket, onSocket);
      const { clients } = server as { readonly clients?: Record<string, EngineSocketLike> };
      for (const socket of Object.values(clients ?? {})) begin(socket);
      server.on("connection", begin);
      return () => void server.off("connection", begin);
    },
    options,
    ASKS_AGAIN,
  );
}

/** Watches a socket.io client through its reconnects. */
export function watchSocketIo({ io }: SocketIoLike, options?: ClientWatchOptions): ClientWatch {
  return new ClientWatch(
    (onSocket) => {
      let newest: EngineSocketLike | undefined;
      const begin = (): void => {
        const { engine } = io as { engine?: EngineSocketLike };
        if (!engine || engine === newest) return;
        newest = engine;
        follow(engine, onSocket);
      };
      begin();
      io.on("open", begin);
      return () => void io.off("open", begin);
    },
    options,
    ASKS_AGAIN,
  );
}
