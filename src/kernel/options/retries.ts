import { readSysctl } from "./sysctl-linux.ts";

/**
 * The system-wide settings that a connection without its own obeys. They are read once, since only
 * an administrator changes them.
 */
export interface Retries {
  /** Retransmission timeouts before the kernel gives up data in flight. */
  readonly tcpRetries2: number;
}

let retries: Retries | undefined;

export function readRetries(): Retries {
  retries ??= { tcpRetries2: readSysctl("net/ipv4/tcp_retries2") ?? 15 };
  return retries;
}
