import { AsyncLocalStorage } from "node:async_hooks";
import { subscribe } from "node:diagnostics_channel";
import type { Socket } from "node:net";

/**
 * Whose connection is being made: what a client opens later, in its own handlers and timers,
 * inherits it.
 */
const openers = new AsyncLocalStorage<(socket: Socket) => void>();
let isSubscribed = false;

/**
 * Runs `connect` so that every socket opened by it, now or in reconnects that follow from it, is
 * told to `onSocket`: for clients that keep their socket private. The diagnostics channel tells of
 * `net.connect` on every Node line, of `tls.connect` since 22.
 */
export function runAsOpener<Result>(
  onSocket: (socket: Socket) => void,
  connect: () => Result,
): Result {
  if (!isSubscribed) {
    isSubscribed = true;
    subscribe("net.client.socket", (message) =>
      openers.getStore()?.((message as { socket: Socket }).socket),
    );
  }
  return openers.run(onSocket, connect);
}

/**
 * Runs what is not the client's own, as the program's listeners, so that the sockets it opens are
 * not told of as the client's.
 */
export function runAsNobody<Result>(listeners: () => Result): Result {
  return openers.exit(listeners);
}
