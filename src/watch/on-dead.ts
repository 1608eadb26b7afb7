import type { Socket } from "node:net";
import type { Diagnosis } from "../core/diagnosis.ts";
import { DeadPeerError } from "../core/errors.ts";
import { systemErrorOf } from "../kernel/system/system-error.ts";
import type { Evidence } from "./evidence.ts";
import type { WatchSettings } from "./settings.ts";
import { warnIfUnheard } from "./unheard-error.ts";

/** Carries out `onDead` on a socket whose peer is dead. */
export function actOnDead(
  { onDead, errorAs, onUnheard }: WatchSettings,
  socket: Socket,
  evidence: Evidence,
  diagnosis: Diagnosis,
): void {
  if (onDead === "report") {
    if (evidence.isHeld) evidence.restore();
    return;
  }
  if (onDead === "reset") evidence.resetOnClose();
  const error = new DeadPeerError(diagnosis, { as: errorAs });
  if (onUnheard === "warn") warnIfUnheard(socket, error);
  socket.destroy(error);
}

/**
 * Carries out `onDead` on a socket that the kernel ended with an error that proves no dead peer.
 */
export function actOnKernelError({ onDead }: WatchSettings, socket: Socket, code: string): void {
  if (onDead === "report") return;
  const error = new Error(`the kernel ended the connection: ${code}`);
  socket.destroy(Object.assign(error, { code, syscall: "read" }, systemErrorOf(code)));
}
