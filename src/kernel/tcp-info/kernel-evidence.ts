import { maskedTcpInfoBytes } from "../port/mask.ts";
import { openPort, whyNoPort } from "../port/open-port.ts";
import { platform } from "../port/platform.ts";
import { IPPROTO_TCP } from "../port/platform-linux.ts";

const SOCK_STREAM = 1;
/**
 * Length of struct tcp_info in Linux 2.6. Every kernel gives this much; an emulator may not:
 * qemu-user passes on the first 4 bytes (7.2).
 */
const LEAST_BYTES = 104;

let why: string | null | undefined;

/**
 * Returns why this system (Linux) gives no evidence to judge connections by, in words; `null` if it
 * gives some. Without this check missing figures would look like silence. Tried once, on a socket
 * of our own.
 */
export function whyNoKernelEvidence(): string | null {
  if (why === undefined) why = found();
  return why;
}

function found(): string | null {
  const port = openPort();
  if (!port) return whyNoPort();
  const fd = port.socket(platform.addressFamily.inet, SOCK_STREAM, 0);
  if (fd < 0) return null; // no descriptor is left to try; every real kernel gives enough
  const result = port.getsockopt(
    fd,
    IPPROTO_TCP,
    platform.tcpInfo?.option ?? 0,
    new Uint8Array(512),
  );
  port.close(fd);
  if (result < 0) return `the kernel refuses TCP_INFO (errno ${-result})`;
  const bytes = Math.min(result, maskedTcpInfoBytes());
  return bytes >= LEAST_BYTES
    ? null
    : `this system passes on ${bytes} bytes of struct tcp_info, of at least ${LEAST_BYTES}`;
}
