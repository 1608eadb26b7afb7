import type { Socket } from "node:net";
import { getKeepalive } from "../../kernel/options/keepalive.ts";
import { whyNoSocketPort } from "../../kernel/port/open-socket-port.ts";
import type { LowerLevel } from "../applied.ts";

/**
 * Sets the kernel's keepalive as far as Node can. Without a native back-end it is the only
 * evidence, and the kernel itself gives the verdict (ETIMEDOUT). Keepalive does not run while data
 * is in flight.
 */
export function applyCoreKeepalive(
  socket: Socket,
  budgetMs: number,
  surviveOutageMs: number | null,
  refusal?: string,
): LowerLevel {
  const budgetS = Math.floor(budgetMs / 1000);
  const canTune = hasIntervalAndCount();
  const usual = canTune ? Math.max(2, Math.min(LIBUV_COUNT, Math.floor(budgetS / 2))) : LIBUV_COUNT;
  const needed = 1 + Math.ceil((surviveOutageMs ?? 0) / (LIBUV_INTERVAL_S * 1000));
  const count = canTune ? Math.min(MOST_PROBES, Math.max(usual, needed)) : usual;
  const idleS = Math.max(1, budgetS - count * LIBUV_INTERVAL_S);
  const before = ownKeepalive(socket);
  const set = socket.setKeepAlive as SetKeepalive;
  if (canTune) set.call(socket, true, idleS * 1000, LIBUV_INTERVAL_S * 1000, count);
  else socket.setKeepAlive(true, idleS * 1000);
  const worstMs = (idleS + count * LIBUV_INTERVAL_S) * 1000;
  const notes = [
    `${refusal ?? `no native back-end (${whyNoSocketPort() ?? "unknown why"})`}: no kernel evidence, so a dead peer is found by the kernel's keepalive alone`,
    "with data in flight the kernel waits for tcp_retries2 (about 15 minutes by default); pass a heartbeat to bound it",
  ];
  if (worstMs > budgetMs)
    notes.push(
      `this Node fixes interval 1 s and count ${count}: an idle dead peer is found after ${worstMs} ms, not ${budgetMs}`,
    );
  return {
    applied: {
      level: "core",
      keepalive: { idleMs: idleS * 1000, intervalMs: LIBUV_INTERVAL_S * 1000, count },
      userTimeoutMs: null,
      rtoMaxMs: null,
      detectWithinMs: { idle: Math.max(worstMs, budgetMs), inFlight: null, closedWindow: null },
      overdue: worstMs > budgetMs,
      surviveOutageMs: (count - 1) * LIBUV_INTERVAL_S * 1000,
      falseAlarmsPerYear: null,
      backstopMs: { idle: worstMs, inFlight: null },
      notes,
    },
    restore: () => void set.call(socket, ...before),
  };
}

type SetKeepalive = (
  enable: boolean,
  delayMs: number,
  intervalMs?: number,
  count?: number,
) => Socket;

/**
 * Returns the program's keepalive, from the system if that can be asked. Node cannot, but remembers
 * in properties of its own what was set through it (lib/net.js). Keepalive off is what every socket
 * starts with.
 */
function ownKeepalive(socket: Socket): Parameters<SetKeepalive> {
  try {
    const { enabled, idleMs, intervalMs, count } = getKeepalive(socket);
    return [enabled, idleMs, intervalMs, count];
  } catch {
    return rememberedKeepalive(socket);
  }
}

function rememberedKeepalive(socket: Socket): Parameters<SetKeepalive> {
  const seconds = (name: string): unknown => {
    const key = Object.getOwnPropertySymbols(socket).find(
      ({ description }) => description === name,
    );
    return key && (socket as unknown as Record<symbol, unknown>)[key];
  };
  const delayS = seconds("kSetKeepAliveInitialDelay");
  if (seconds("kSetKeepAlive") !== true || typeof delayS !== "number") return [false, 0];
  const intervalS = seconds("kSetKeepAliveInterval");
  const count = seconds("kSetKeepAliveCount");
  return typeof intervalS === "number" && typeof count === "number"
    ? [true, delayS * 1000, intervalS * 1000, count]
    : [true, delayS * 1000];
}

/**
 * The interval and count that libuv fixes where setKeepAlive takes none (Node 20 and 22, measured
 * on Linux).
 */
const LIBUV_INTERVAL_S = 1;
const LIBUV_COUNT = 10;

/** MAX_TCP_KEEPCNT. */
const MOST_PROBES = 127;

/**
 * Returns whether setKeepAlive takes interval and count: since 24.19.0 and 26.4.0
 * (nodejs/node#63825).
 */
function hasIntervalAndCount(version: string = process.versions.node): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (major === 24) return minor >= 19;
  if (major === 26) return minor >= 4;
  return major > 26;
}
