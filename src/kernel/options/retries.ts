import { readSysctl } from "./sysctl-linux.ts";

/**
 * The system-wide settings that decide what a connection without its own does. Read once: they
 * change with an administrator's hand only.
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
