import type { Socket } from "node:net";
import type { LowerLevel } from "../applied.ts";
import { applyCoreKeepalive } from "./core-keepalive.ts";
import { applyNativeKeepalive } from "./native-keepalive.ts";

/**
 * The best there is below kernel evidence: the OS's keepalive set exactly, else what Node can set
 * of it. `refusal`: the kernel gives evidence, and refused what keeps it fresh, in these words.
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
