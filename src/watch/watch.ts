import type { Duplex } from "node:stream";
import type { WatchOptions } from "./options.ts";
import { settingsOf } from "./settings.ts";
import { Watcher } from "./watcher.ts";

/**
 * Watches one TCP connection: finds out within `detectWithinMs` that its peer is gone, says why,
 * and by default ends the socket with a `DeadPeerError`. Takes a `net.Socket`, a `tls.TLSSocket` or
 * the socket of an http2 session, before or after 'connect'.
 *
 * With a `heartbeat` it takes any other Duplex too, such as a channel of an SSH tunnel or a
 * Unix-domain socket. There the kernel knows nothing of the peer, and the heartbeat decides alone
 * ({@link Applied.level} `"heartbeat"`).
 *
 * While it watches, the socket's keepalive options, user timeout and retransmission cap are
 * halfopen's; {@link Watcher.close} puts back what it found. Watching a socket twice, or
 * a TLSSocket and the socket beneath it, joins the watches: the shorter budget and the stronger
 * action hold.
 *
 * @throws HalfOpenError `ERR_OPTION_RANGE` for an option out of range, `ERR_NOT_SUPPORTED` for what
 * is not a TCP socket where no heartbeat can decide, `ERR_NOT_CONNECTED` for a destroyed one.
 */
export function watch(socket: Duplex, options?: WatchOptions): Watcher {
  return new Watcher(socket, settingsOf(options), options?.signal);
}
