import { isAllAcknowledged } from "../../core/judge/acknowledged.ts";
import { flowOf } from "../../core/judge/reading.ts";
import { sampleTcpInfo } from "../../kernel/tcp-info/tcp-info.ts";

/**
 * Returns whether data waits to be sent or acknowledged. The kernel goes on delivering it after the
 * socket has closed, and under our cap on backoff it would soon give up (tcp_orphan_retries).
 */
export function hasDataLeft(fd: number): boolean {
  const info = sampleTcpInfo(fd);
  return typeof info !== "number" && flowOf(info) !== "idle";
}

/** Returns whether the peer's kernel has all that was sent; `false` where nothing shows it. */
export function isAllAcked(fd: number): boolean {
  const info = sampleTcpInfo(fd);
  return typeof info !== "number" && isAllAcknowledged(info);
}
