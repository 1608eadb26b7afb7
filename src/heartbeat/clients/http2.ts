import type { Http2Session } from "node:http2";
import type { Socket } from "node:net";
import { ClientWatch, type ClientWatchOptions } from "../client-watch.ts";

/**
 * Sends an empty SETTINGS frame, which the peer's process must acknowledge at once (RFC 9113,
 * 6.5.3), and resolves with the round-trip time in ms. Not a PING: some servers count them. Those
 * of gRPC on the C core, Go and Java end a connection that pings more often than every 5 minutes
 * (GOAWAY, too_many_pings; gRFC A8).
 *
 * Returns `undefined` while the session is connecting, and once it is destroyed. A session that
 * closes is asked as long as it has streams: the program still waits for these.
 */
export function http2Ping(session: Http2Session): Promise<number> | undefined {
  if (session.connecting || session.destroyed) return undefined;
  // Node sends no eleventh frame while ten are unanswered. The watch has one at most.
  return new Promise((resolve, reject) =>
    asNoUse(session, () =>
      session.settings({}, (error, _, durationMs) => (error ? reject(error) : resolve(durationMs))),
    ),
  );
}

/**
 * Runs `send` while the session shows no timer. Node would count the frame as use, and put off the
 * program's own `session.setTimeout` (Node 20 to 26: `kTimeout`, lib/internal/timers.js).
 */
function asNoUse(session: Http2Session, send: () => void): void {
  const timeout = Object.getOwnPropertySymbols(session).find(
    ({ description }) => description === "timeout",
  );
  if (timeout === undefined) {
    send();
    return;
  }
  const timed = session as unknown as Record<symbol, unknown>;
  const timer = timed[timeout];
  timed[timeout] = null;
  try {
    send();
  } finally {
    timed[timeout] = timer;
  }
}

/** Watches an HTTP/2 session, client or server side. */
export function watchHttp2(session: Http2Session, options?: ClientWatchOptions): ClientWatch {
  return new ClientWatch((onSocket) => {
    const begin = (): void =>
      onSocket(
        session.socket as Socket,
        () => http2Ping(session),
        () => session.destroyed,
      );
    if (session.connecting) session.once("connect", begin);
    else begin();
    return () => void session.off("connect", begin);
  }, options);
}
