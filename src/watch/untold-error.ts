import type { TcpInfo } from "../core/tcp-info.ts";
import type { Instant } from "../core/time/instant.ts";
import { hasSocketError } from "../kernel/options/socket-error.ts";
import { sampleTcpInfo } from "../kernel/tcp-info/tcp-info.ts";

/**
 * Returns the code of the error with which the kernel ended a connection, if the program did not
 * get it, else `null`. The program does not get the error
 *
 * - if it does not read,
 * - if it read the peer's end before, after which libuv does not poll,
 * - if a reset came together with data, which libuv takes for an orderly end (uv__stream_eof on
 *   POLLHUP).
 *
 * A connection that both ends closed has the same state, but no error.
 */
export function untoldError(fd: number): string | null {
  if (!hasSocketError(fd)) return null;
  const info = sampleTcpInfo(fd);
  return typeof info !== "number" && info.state === "CLOSE" ? codeOf(info) : null;
}

/**
 * Returns the code that the counters show, because the error itself stays in the kernel. A reset
 * leaves no counts, giving up leaves many.
 */
function codeOf(info: TcpInfo): string {
  return (info.probes ?? 0) >= 3 || (info.retransmits ?? 0) >= 3 ? "ETIMEDOUT" : "ECONNRESET";
}

/**
 * Returns when to check again for an error of a socket that the event loop does not read: after a
 * tenth of the budget. The instant is rounded, so that one waking of the process checks many
 * sockets.
 */
export function nextUnreadCheck(now: Instant, budgetMs: number): Instant {
  const afterMs = Math.min(LONGEST_UNREAD_CHECK_MS, Math.floor(budgetMs / 10));
  const stepMs = Math.floor(afterMs / 4);
  return Math.floor((now + afterMs) / stepMs) * stepMs;
}

const LONGEST_UNREAD_CHECK_MS = 1000;
