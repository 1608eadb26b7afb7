import { readFileSync } from "node:fs";

/**
 * A system-wide number of this thread's network namespace, `net/ipv4/tcp_retries2` for example;
 * `null` where the kernel has none, or /proc is hidden.
 */
export function readSysctl(path: string): number | null {
  try {
    const text = readFileSync(`/proc/sys/${path}`, "utf8").trim();
    return /^-?\d+$/.test(text) ? Number(text) : null;
  } catch {
    return null;
  }
}
