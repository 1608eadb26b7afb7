import { readFileSync } from "node:fs";

/**
 * Reads a system-wide number of this thread's network namespace, `net/ipv4/tcp_retries2` for
 * example; `null` where the kernel has none, or /proc is hidden.
 */
export function readSysctl(path: string): number | null {
  return readSysctlFile(`/proc/sys/${path}`);
}

/** Reads the number in a file of the kernel's; `null` without one. */
export function readSysctlFile(file: string): number | null {
  try {
    const text = readFileSync(file, "utf8").trim();
    return /^-?\d+$/.test(text) ? Number(text) : null;
  } catch {
    return null;
  }
}
