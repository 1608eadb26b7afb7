import type { TcpInfo } from "../core/tcp-info.ts";
import type { Instant } from "../core/time/instant.ts";
import { hasSocketError } from "../kernel/options/socket-error.ts";
import { sampleTcpInfo } from "../kernel/tcp-info/tcp-info.ts";

/**
 * The code of the error with which the kernel ended a connection and of which its program was not
 * told: because it does not read, or read the peer's end before, after which libuv does not poll,
 * or because a reset came together with data, which libuv takes for an orderly end (uv__stream_eof
 * on POLLHUP). `null` where there is none: closed from both ends, a connection has the same state
 * without an error.
 */
export function untoldError(fd: number): string | null {
  if (!hasSocketError(fd)) return null;
  const info = sampleTcpInfo(fd);
  return typeof info !== "number" && info.state === "CLOSE" ? codeOf(info) : null;
}

/**
 * The error stays where it is, so its counters must do: a reset leaves none behind, giving up
 * leaves many.
 */
function codeOf(info: TcpInfo): string {
  return (info.probes ?? 0) >= 3 || (info.retransmits ?? 0) >= 3 ? "ETIMEDOUT" : "ECONNRESET";
}

/**
 * Returns when to check again for an error of a socket that the event loop does not read: after a
 * tenth of the budget. Sockets are checked together, so that they wake the process less often.
 */
export function nextUnreadCheck(now: Instant, budgetMs: number): Instant {
  const afterMs = Math.min(LONGEST_UNREAD_CHECK_MS, Math.floor(budgetMs / 10));
  const stepMs = Math.floor(afterMs / 4);
  return Math.floor((now + afterMs) / stepMs) * stepMs;
}

const LONGEST_UNREAD_CHECK_MS = 1000;
