import { isMasked } from "../port/mask.ts";
import { openPort } from "../port/open-port.ts";
import { platform } from "../port/platform.ts";
import { IPPROTO_TCP, TCP_RTO_MAX_MS } from "../port/platform-linux.ts";

const SOCK_STREAM = 1;

let ofThisThread: boolean | undefined;

/**
 * Returns whether this kernel can cap the backoff of one connection (TCP_RTO_MAX_MS, Linux 6.15).
 * Tried once in each thread, on a socket of our own; taken for granted while no descriptor is left.
 */
export function hasRtoMax(): boolean {
  if (ofThisThread !== undefined) return ofThisThread;
  const port = isMasked("rto-max") ? null : openPort();
  const fd = port ? port.socket(platform.addressFamily.inet, SOCK_STREAM, 0) : -1;
  if (port && fd < 0) return true;
  ofThisThread =
    port !== null && port.getsockopt(fd, IPPROTO_TCP, TCP_RTO_MAX_MS, new Uint8Array(4)) >= 0;
  port?.close(fd);
  return ofThisThread;
}
