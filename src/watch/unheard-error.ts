import type { Socket } from "node:net";
import type { DeadPeerError } from "../core/errors.ts";
import { putHidden } from "./method-hook.ts";

/**
 * Makes a process warning of the error, if nobody listens for it when `socket` is destroyed with
 * it. Node would throw it, and the process would end.
 *
 * It is caught in two places. One is the socket's `emit`, below which clients pass it on at once
 * (http requests, database clients): the socket's 'close' follows as it should. The other is the
 * process, where it arrives from a later tick (http2) or as an unhandled rejection (fetch), also as
 * the `cause` of a client's own error.
 */
export function warnIfUnheard(socket: Socket, error: DeadPeerError): void {
  forgivable.add(error);
  catchInEmit(socket, error);
  catchInProcess();
}

/** Errors that are not to end the process. */
const forgivable = new WeakSet<object>();

type Emit = (this: object, event: string | symbol, ...args: unknown[]) => boolean;

function catchInEmit(socket: Socket, error: DeadPeerError): void {
  const below = socket.emit as Emit;
  const emit: Emit = function (event, ...args) {
    if (event !== "error" || args[0] !== error) return Reflect.apply(below, this, [event, ...args]);
    // Emitted once: nothing of this stays on a socket that is connected again.
    if (socket.emit === emit) putHidden(socket, "emit", below);
    try {
      return Reflect.apply(below, this, [event, ...args]);
    } catch (thrown) {
      if (!forgives(thrown)) throw thrown;
      return false;
    }
  };
  putHidden(socket, "emit", emit);
}

let isCaughtInProcess = false;

/** Node emits 'uncaughtException' in any case, and ends the process if the answer is `false`. */
function catchInProcess(): void {
  if (isCaughtInProcess) return;
  isCaughtInProcess = true;
  const below = process.emit as Emit;
  const emit: Emit = function (event, ...args) {
    const isHandled = Reflect.apply(below, this, [event, ...args]);
    return isHandled || (event === "uncaughtException" && forgives(args[0]));
  };
  putHidden(process, "emit", emit);
}

/** Warns, if what was thrown is such an error or was caused by one. */
function forgives(thrown: unknown): boolean {
  let at = thrown;
  for (let depth = 0; depth < DEEPEST_CAUSE && at instanceof Error; depth++) {
    if (forgivable.has(at)) {
      warn(at as DeadPeerError);
      return true;
    }
    at = at.cause;
  }
  return false;
}

function warn({ address = "", message }: DeadPeerError): void {
  if (warnedOf.has(address)) return;
  if (warnedOf.size === MOST_REMEMBERED) warnedOf.clear();
  warnedOf.add(address);
  process.emitWarning(`nobody listened for the error of a dead peer: ${message}`, {
    type: "HalfOpenWarning",
    code: "HALFOPEN_UNHEARD_ERROR",
    detail:
      "Add an 'error' listener, or catch the rejection. docs/auto.md#errors-that-nobody-hears",
  });
}

/** Addresses of peers, so that a peer that dies every minute does not fill a log. */
const warnedOf = new Set<string>();
const MOST_REMEMBERED = 1000;
const DEEPEST_CAUSE = 10;
