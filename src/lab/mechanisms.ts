import type { Socket } from "node:net";
import { setKeepalive } from "../kernel/options/keepalive.ts";
import { applyRtoMax } from "../kernel/options/rto-max.ts";
import { setUserTimeout } from "../kernel/options/user-timeout.ts";
import { descriptorOf } from "../kernel/process/descriptor.ts";

export const MECHANISMS = [
  "none",
  "system-keepalive",
  "keepalive",
  "keepalive+user-timeout",
  "heartbeat",
  "watch",
] as const;
export type Mechanism = (typeof MECHANISMS)[number];

export const MECHANISM_NOTES: Readonly<Record<Mechanism, string>> = {
  none: "a plain socket",
  "system-keepalive": "SO_KEEPALIVE with the system's timers (2 h idle)",
  keepalive: "keepalive of this connection, sized for the budget",
  "keepalive+user-timeout": "the same keepalive, and TCP_USER_TIMEOUT of one budget",
  heartbeat:
    "the common recipe: ping every quarter budget, end the socket when the last answer is three quarters of a budget old",
  watch: "halfopen",
};

export interface SubjectTimers {
  readonly keepalive?: {
    readonly idleMs: number;
    readonly intervalMs: number;
    readonly count: number;
  };
  readonly userTimeoutMs?: number;
  readonly rtoMaxMs?: number;
}

/**
 * Returns the keepalive that fits a budget: up to three probes a second apart, the answer time of
 * the last one over at the end of the budget. Rounds the budget down to whole seconds.
 */
export function keepaliveFor(budgetMs: number): {
  idleMs: number;
  intervalMs: number;
  count: number;
} {
  const seconds = Math.floor(budgetMs / 1000);
  const count = Math.max(1, Math.min(3, seconds - 1));
  return { idleMs: Math.max(1, seconds - count) * 1000, intervalMs: 1000, count };
}

/**
 * Sets up a connected socket as a program that relies on this mechanism would. `watch` is missing
 * here because the subject calls it itself.
 */
export function applyMechanism(
  mechanism: Exclude<Mechanism, "watch">,
  socket: Socket,
  budgetMs: number,
): void {
  if (mechanism === "system-keepalive") socket.setKeepAlive(true);
  if (mechanism === "keepalive" || mechanism === "keepalive+user-timeout")
    setKeepalive(socket, keepaliveFor(budgetMs));
  if (mechanism === "keepalive+user-timeout") setUserTimeout(socket, budgetMs);
  if (mechanism === "heartbeat") beat(socket, budgetMs);
}

/** Sets any timers on a connected socket, to compare the predictor with the kernel. */
export function applyTimers(
  { keepalive, userTimeoutMs, rtoMaxMs }: SubjectTimers,
  socket: Socket,
): void {
  if (keepalive) setKeepalive(socket, keepalive);
  if (userTimeoutMs !== undefined) setUserTimeout(socket, userTimeoutMs);
  if (rtoMaxMs !== undefined) applyRtoMax(descriptorOf(socket), rtoMaxMs);
}

/**
 * Sends pings, and ends the socket when the last answer is too old. As in a thousand programs, an
 * answer that this process was too busy to read counts as no answer.
 */
function beat(socket: Socket, budgetMs: number): void {
  let answeredAt = performance.now();
  socket.on("data", (data) => {
    if (data.includes("pong")) answeredAt = performance.now();
  });

  const timer = setInterval(() => {
    if (performance.now() - answeredAt > 0.75 * budgetMs) {
      socket.destroy(
        Object.assign(new Error("heartbeat unanswered"), { code: "HEARTBEAT_TIMEOUT" }),
      );
      return;
    }
    socket.write("ping\n");
  }, budgetMs / 4);

  socket.on("close", () => clearInterval(timer));
}
