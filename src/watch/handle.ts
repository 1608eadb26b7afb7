import type { Socket } from "node:net";
import { openPort } from "../kernel/open-port.ts";

interface Handle {
  readonly fd?: number;
  readonly reading?: boolean;
}

function handleOf(socket: Socket): Handle | null | undefined {
  return (socket as unknown as { _handle?: Handle | null })._handle;
}

/** The descriptor behind the socket right now, -1 when closed, handed away, or when no native back-end could use it. */
export function openDescriptor(socket: Socket): number {
  return openPort() ? (handleOf(socket)?.fd ?? -1) : -1;
}

/** Whether the event loop reads from the socket; only then it learns of a reset by itself. */
export function isReading(socket: Socket): boolean {
  return handleOf(socket)?.reading !== false;
}
