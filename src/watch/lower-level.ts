import type { Socket } from "node:net";
import type { Applied } from "./applied.ts";
import { applyCoreKeepalive } from "./core-keepalive.ts";
import { applyNativeKeepalive } from "./native-keepalive.ts";

/** What a connection has where the kernel gives no evidence to judge. */
export interface LowerLevel {
  readonly applied: Applied;
  /** Leaves the socket as it was, as far as the system told how it was. */
  restore(): void;
}

/**
 * The best there is below kernel evidence: the OS's keepalive set exactly, else what Node can set of it. `refusal`: the kernel gives evidence,
 * and refused what keeps it fresh, in these words.
 */
export function applyLowerLevel(socket: Socket, budgetMs: number, hasHeartbeat: boolean, refusal?: string): LowerLevel {
  return applyNativeKeepalive(socket, budgetMs, hasHeartbeat, refusal) ?? applyCoreKeepalive(socket, budgetMs, refusal);
}
