/**
 * `HALFOPEN_MASK` hides features of this system, to prove what happens without them. It is a comma
 * list of `ffi` (no native back-end), `koffi` or `node:ffi` (not that one), `rto-max` (no
 * TCP_RTO_MAX_MS, Linux < 6.15), `tcp-info=BYTES` (a shorter struct tcp_info, older kernels). For
 * diagnosis only.
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

/** Returns how many bytes of struct tcp_info may be read. */
export function maskedTcpInfoBytes(): number {
  const mask = masks.find((word) => word.startsWith("tcp-info="));
  const bytes = mask ? Number(mask.slice("tcp-info=".length)) : Number.NaN;
  return Number.isInteger(bytes) && bytes > 0 ? bytes : Number.POSITIVE_INFINITY;
}
