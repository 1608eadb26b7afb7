import type { Socket } from "node:net";
import type { Diagnosis } from "../core/diagnosis.ts";
import { DeadPeerError } from "../core/errors.ts";
import type { Evidence } from "./evidence.ts";
import type { WatchSettings } from "./settings.ts";

/** Carries out `onDead` on a socket whose peer is dead. */
export function actOnDead(
  { onDead }: WatchSettings,
  socket: Socket,
  evidence: Evidence,
  diagnosis: Diagnosis,
): void {
  if (onDead === "report") {
    if (evidence.isHeld) evidence.restore();
    return;
  }
  if (onDead === "reset") evidence.resetOnClose();
  socket.destroy(new DeadPeerError(diagnosis));
}

/**
 * Carries out `onDead` on a socket that the kernel ended with an error that proves no dead peer.
 */
export function actOnKernelError({ onDead }: WatchSettings, socket: Socket, code: string): void {
  if (onDead === "report") return;
  const error = new Error(`the kernel ended the connection: ${code}`);
  socket.destroy(Object.assign(error, { code }));
}
