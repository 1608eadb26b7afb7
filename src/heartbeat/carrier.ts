import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { whyNotTcp } from "../watch/watchable.ts";

/** The TCP socket beneath a stream that is none. */
export interface Carrier {
  readonly socket: Socket;
  /** The socket carries other streams too: the death of one of them is not the socket's. */
  readonly isShared: boolean;
}

const known = new WeakMap<Duplex, Socket>();

/** Remembers the socket that carries a stream, for a stream that hides it. */
export function carriedBy(stream: Duplex, socket: Socket): void {
  known.set(stream, socket);
}

/**
 * Returns the TCP socket that carries a stream; `null` if the stream is one itself, or shows none.
 * Goes down through TLS, WebSockets, channels of ssh2 and streams of node:http2.
 */
export function carrierOf(stream: Duplex): Carrier | null {
  const found = known.get(stream);
  if (found) return { socket: found, isShared: false };

  let isShared = false;
  let at: object = stream;
  const seen = new Set<object>();
  while (!seen.has(at)) {
    seen.add(at);
    if (at instanceof Socket && whyNotTcp(at) === null)
      return at === stream ? null : { socket: at, isShared };
    const { own, shared } = beneath(at as Layers);
    const next = own ?? shared;
    if (typeof next !== "object" || next === null) return null;
    isShared ||= own === undefined;
    at = next;
  }
  return null;
}

/** Members of other packages' streams that lead down to what carries them. */
interface Layers {
  /** A TLSSocket, to what it was put over; Node puts a JSStreamSocket over what is no socket. */
  readonly _parent?: object | null;
  /** A JSStreamSocket. */
  readonly stream?: object | null;
  /** A WebSocket of the package ws. */
  readonly _socket?: object | null;
  /** A stream over a WebSocket, as mqtt and websocket-stream make it. */
  readonly socket?: object | null;
  /** A channel of ssh2, to its client, which has the connection. */
  readonly _client?: { readonly _sock?: object } | null;
  /** A stream of node:http2. */
  readonly session?: { readonly socket?: object } | null;
}

function beneath(at: Layers): { own: unknown; shared: unknown } {
  const own = at._parent ?? at.stream ?? at._socket ?? at.socket ?? undefined;
  return { own, shared: at._client?._sock ?? at.session?.socket };
}
