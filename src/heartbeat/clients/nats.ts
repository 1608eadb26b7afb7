import { Duplex } from "node:stream";
import {
  ASKS_AGAIN,
  ClientWatch,
  type ClientWatchOptions,
  withAnswerOwed,
} from "../client-watch.ts";

/** The members of a NATS connection (@nats-io/transport-node 3, nats 2) that are used here. */
export interface NatsLike {
  rtt(): Promise<number>;
  isClosed(): boolean;
  isDraining?(): boolean;
  status(): AsyncIterable<{ readonly type: string }>;
}

interface Insides {
  readonly protocol?: {
    readonly transport?: Transport;
    readonly connected?: boolean;
  };
}

interface Transport {
  /** A socket; or a WebSocket, of the package ws or the global one, which hides its socket. */
  readonly socket?: Duplex | WebSocketLike;
}

interface WebSocketLike {
  readonly _socket?: Duplex;
  onclose?: ((event: { readonly wasClean: boolean; readonly reason: string }) => void) | null;
  close(): void;
  addEventListener(event: "message" | "close", listener: () => void): void;
}

/**
 * Sends PING and resolves with the round-trip time in ms. Returns `undefined` while the client
 * reconnects, and once its program has closed or drained it.
 */
export function natsPing(connection: NatsLike): Promise<number> | undefined {
  const isConnected = (connection as Insides).protocol?.connected !== false;
  return isConnected && !hasEnded(connection) ? connection.rtt() : undefined;
}

function hasEnded(connection: NatsLike): boolean {
  return connection.isClosed() || connection.isDraining?.() === true;
}

/**
 * Watches a NATS connection, over TCP, TLS or a WebSocket, through its reconnects. Node's global
 * WebSocket hides its socket, so the heartbeat decides alone.
 */
export function watchNats(connection: NatsLike, options?: ClientWatchOptions): ClientWatch {
  return new ClientWatch(
    (onSocket, onNothing) => {
      let isFollowing = true;
      const begin = (): void => {
        const { socket } = (connection as Insides).protocol?.transport ?? {};
        const stream = socket && streamOf(socket);
        if (!stream) onNothing("the connection shows no socket; pass what connect() gives");
        else if (!stream.destroyed)
          onSocket(
            stream,
            () => natsPing(connection),
            () => hasEnded(connection),
          );
      };
      begin();

      const follow = async (): Promise<void> => {
        for await (const { type } of connection.status()) {
          if (!isFollowing) return;
          if (type === "reconnect") begin();
        }
      };
      // The loop ends with the connection, which reports its errors elsewhere
      follow().catch(() => {});
      return () => {
        isFollowing = false;
      };
    },
    withAnswerOwed(options),
    ASKS_AGAIN,
  );
}

function streamOf(socket: Duplex | WebSocketLike): Duplex {
  if ("write" in socket) return socket;
  return socket._socket ?? new StandIn(socket);
}

/** Stands for a WebSocket that hides its socket: its end is the WebSocket's end, either way. */
class StandIn extends Duplex {
  readonly #ws: WebSocketLike;

  constructor(ws: WebSocketLike) {
    super({ allowHalfOpen: false });
    this.#ws = ws;
    ws.addEventListener("message", () => void this.push(SIGN_OF_LIFE));
    ws.addEventListener("close", () => void this.destroy());
    // What is pushed is for the watch, which counts it as heard
    this.on("error", () => {}).resume();
  }

  override _read(): void {}

  override _write(_chunk: unknown, _encoding: string, done: () => void): void {
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    const { onclose } = this.#ws;
    this.#ws.close();
    // A WebSocket waits for the peer's consent to its close, which a dead one never gives
    if (error) onclose?.call(this.#ws, { wasClean: false, reason: error.message });
    done(error);
  }
}

const SIGN_OF_LIFE = Buffer.of(0);
