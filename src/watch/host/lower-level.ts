import type { Socket } from "node:net";
import type { LowerLevel } from "../applied.ts";
import { applyCoreKeepalive } from "./core-keepalive.ts";
import { applyNativeKeepalive } from "./native-keepalive.ts";

/**
 * Applies the best means below kernel evidence: the OS's keepalive set exactly, else what Node can
 * set of it. `refusal`: the error of a kernel that gives evidence and refused an option that keeps
 * it fresh.
 */
export function applyLowerLevel(
  socket: Socket,
  budgetMs: number,
  hasHeartbeat: boolean,
  refusal?: string,
): LowerLevel {
  return (
    applyNativeKeepalive(socket, budgetMs, hasHeartbeat, refusal) ??
    applyCoreKeepalive(socket, budgetMs, refusal)
  );
}
