import { ChildProcess } from "node:child_process";
import { Socket } from "node:net";
import { after, before } from "./wrap-method.ts";

/**
 * Calls `onSocket` for the sockets that another process or thread hands to this one. No channel
 * announces them, and a listener for 'message' would keep the process alive.
 */
export function adoptReceived(onSocket: (socket: Socket) => void): void {
  const onEmit = (_: object, [event, , handle]: readonly unknown[]): void => {
    if (event === "message" && handle instanceof Socket) onSocket(handle);
  };
  if (process.send) before(process, "emit", onEmit); // from the parent process
  before(ChildProcess.prototype, "emit", onEmit); // from a child process

  // From another thread, in whatever message: Node (24.22, 26.12) makes the socket by this method.
  const deserialize = Object.getOwnPropertySymbols(Socket.prototype).find(
    ({ description }) => description === "messaging_deserialize_symbol",
  );
  if (deserialize) after(Socket.prototype, deserialize, onSocket);
}
