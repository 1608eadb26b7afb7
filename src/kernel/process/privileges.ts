import { readFileSync } from "node:fs";

/** Capabilities of capabilities(7), by their bit in include/uapi/linux/capability.h. */
const BITS = {
  CAP_DAC_OVERRIDE: 1n,
  CAP_DAC_READ_SEARCH: 2n,
  CAP_NET_ADMIN: 12n,
  CAP_SYS_PTRACE: 19n,
  CAP_SYS_ADMIN: 21n,
} as const;

export type Privilege = keyof typeof BITS;

/**
 * Returns the privileges that this thread lacks. In a user namespace it may have one and still be
 * refused outside, so the kernel's own answer decides in the end.
 */
export function missingPrivileges(wanted: readonly Privilege[]): Privilege[] {
  const status = readFileSync("/proc/thread-self/status", "latin1");
  return privilegesMissingIn(status, wanted);
}

/** The same, from the text of /proc/PID/status. */
export function privilegesMissingIn(status: string, wanted: readonly Privilege[]): Privilege[] {
  const held = BigInt(`0x${/^CapEff:\s*([\da-f]+)$/m.exec(status)?.[1] ?? "0"}`);
  const has = (name: Privilege): boolean => ((held >> BITS[name]) & 1n) === 1n;
  return wanted.filter(
    // To override all permissions on files includes to read and to search (capabilities(7)).
    (name) => !has(name) && !(name === "CAP_DAC_READ_SEARCH" && has("CAP_DAC_OVERRIDE")),
  );
}
