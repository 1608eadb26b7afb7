import type { Http2Session } from "node:http2";
import type { Socket } from "node:net";
import { ClientWatch, type ClientWatchOptions } from "../client-watch.ts";

/**
 * Sends an HTTP/2 PING (RFC 9113, 6.7) and resolves with its round-trip time in ms. Returns
 * `undefined` while the session is connecting.
 */
export function http2Ping(session: Http2Session): Promise<number> | undefined {
  if (session.connecting) return undefined;
  return new Promise((resolve, reject) => {
    // Node sends no eleventh ping while ten are unanswered. The watch has one at most. A destroyed
    // session throws, which rejects.
    session.ping((error, durationMs) => (error ? reject(error) : resolve(durationMs)));
  });
}

/** Watches an HTTP/2 session, client or server side. */
export function watchHttp2(session: Http2Session, options?: ClientWatchOptions): ClientWatch {
  return new ClientWatch((onSocket) => {
    const begin = (): void => onSocket(session.socket as Socket, () => http2Ping(session));
    if (session.connecting) session.once("connect", begin);
    else begin();
    return () => void session.off("connect", begin);
  }, options);
}
