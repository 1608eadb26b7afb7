import { readFileSync } from "node:fs";

/**
 * Returns how many TCP connections were begun or accepted so far in the network namespace of this
 * thread: ActiveOpens and PassiveOpens (RFC 4022), both families together. The number does not tell
 * of connections that were put in place by TCP_REPAIR, and not of listeners. `null` when the file
 * cannot be read.
 */
export function readTcpOpens(): number | null {
  try {
    return tcpOpensIn(readFileSync("/proc/thread-self/net/snmp", "latin1"));
  } catch {
    return null;
  }
}

/** The same, from the text of /proc/net/snmp. */
export function tcpOpensIn(text: string): number | null {
  const [names = [], values = []] = [...text.matchAll(/^Tcp: (.*)$/gm)].map(([, line = ""]) =>
    line.split(" "),
  );
  const count = (name: string): number => Number(values[names.indexOf(name)] ?? Number.NaN);
  const opens = count("ActiveOpens") + count("PassiveOpens");
  return Number.isNaN(opens) ? null : opens;
}
