import { AsyncLocalStorage } from "node:async_hooks";
import { subscribe } from "node:diagnostics_channel";
import type { Socket } from "node:net";

/**
 * The listener of the client that runs now. Handlers and timers that the client sets inherit the
 * listener, so sockets that the client opens later are its own.
 */
const openers = new AsyncLocalStorage<(socket: Socket) => void>();
let isSubscribed = false;

/**
 * Runs `connect` and calls `onSocket` for every socket that `connect` opens, now or in reconnects
 * that follow from it. For clients that keep their socket private. The diagnostics channel reports
 * `net.connect` on every Node line, `tls.connect` since 22.
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
 * Runs code that is not the client's own, such as the program's listeners: the sockets that this
 * code opens do not count as the client's.
 */
export function runAsNobody<Result>(listeners: () => Result): Result {
  return openers.exit(listeners);
}
