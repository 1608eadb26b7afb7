import type { Server, Socket } from "node:net";
import { MethodHook } from "./method-hook.ts";
import { surface } from "./surface.ts";

/** `connection`: a socket as it was accepted. `secureConnection`: its TLSSocket, once secure. */
export type AcceptEvent = "connection" | "secureConnection";

type OnSocket = (socket: Socket) => void;

const hearers = new WeakMap<Server, ReadonlyMap<OnSocket, AcceptEvent>>();

/**
 * Calls `onSocket` for each socket that the server emits from now on with `event`, before the
 * program's own listeners. Adds no listener: a program may take off those of its server
 * (`removeAllListeners("connection")`, to accept otherwise) and counts them. Returns a function
 * that ends it.
 */
export function onAccepted(server: Server, event: AcceptEvent, onSocket: OnSocket): () => void {
  hear(server, new Map(hearers.get(server)).set(onSocket, event));
  return () => {
    const left = new Map(hearers.get(server));
    left.delete(onSocket);
    hear(server, left);
  };
}

function hear(server: Server, all: ReadonlyMap<OnSocket, AcceptEvent>): void {
  const isHooked = (hearers.get(server)?.size ?? 0) > 0;
  hearers.set(server, all);
  if (all.size === 0) emitOfServer.takeOff(server);
  else if (!isHooked) emitOfServer.putOn(server);
}

const emitOfServer = new MethodHook<Server>("emit", (server, [event, socket]) => {
  if (event !== "connection" && event !== "secureConnection") return;
  for (const [onSocket, wanted] of hearers.get(server) ?? []) {
    if (wanted !== event) continue;
    try {
      onSocket(socket as Socket);
    } catch (error) {
      surface(error);
    }
  }
});
