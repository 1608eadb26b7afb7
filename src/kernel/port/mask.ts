import { platform } from "./platform.ts";
import { IPPROTO_TCP } from "./platform-linux.ts";
import type { SystemPort } from "./port.ts";

/**
 * `HALFOPEN_MASK` hides features of this system, to prove what happens without them. It is a comma
 * list of `ffi` (no native back-end), `koffi` or `node:ffi` (not that one), `rto-max` (no
 * TCP_RTO_MAX_MS, Linux < 6.15), `tcp-info=BYTES` (a shorter struct tcp_info, older kernels),
 * `tcp-info-zeros` (all of it is 0 but state, timeout, round trip and congestion window: gVisor).
 * For diagnosis only.
 */
const masks: readonly string[] = wanted()
  .split(",")
  .map((word) => word.trim());

function wanted(): string {
  try {
    return process.env.HALFOPEN_MASK ?? "";
  } catch {
    return ""; // Deno without --allow-env
  }
}

export function isMasked(feature: "ffi" | "koffi" | "node:ffi" | "rto-max"): boolean {
  return masks.includes(feature);
}

/** Returns the port with TCP_INFO as the mask leaves it; without a mask the port itself. */
export function withMaskedTcpInfo(port: SystemPort): SystemPort {
  const isZeroed = masks.includes("tcp-info-zeros");
  const longest = maskedBytes();
  if (!isZeroed && longest === Number.POSITIVE_INFINITY) return port;
  return {
    ...port,
    getsockopt(fd, level, option, value) {
      const length = port.getsockopt(fd, level, option, value);
      if (level !== IPPROTO_TCP || option !== platform.tcpInfo?.option) return length;
      if (isZeroed) for (let at = 0; at < length; at++) if (!IN_GVISOR.has(at & ~3)) value[at] = 0;
      if (isZeroed) value.fill(0, 1, 4);
      return Math.min(length, longest);
    },
  };
}

function maskedBytes(): number {
  const mask = masks.find((word) => word.startsWith("tcp-info="));
  const bytes = mask ? Number(mask.slice("tcp-info=".length)) : Number.NaN;
  return Number.isInteger(bytes) && bytes > 0 ? bytes : Number.POSITIVE_INFINITY;
}

/** tcpi_state, tcpi_rto, tcpi_rtt, tcpi_snd_cwnd. */
const IN_GVISOR: ReadonlySet<number> = new Set([0, 8, 68, 80]);
