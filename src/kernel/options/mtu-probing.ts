import type { MtuProbing } from "../../core/judge/full-size.ts";
import { readSysctl } from "./sysctl-linux.ts";

let ofThisThread: MtuProbing | undefined;

/** How this thread's network namespace searches for the size that passes; read once. */
export function mtuProbing(): MtuProbing {
  ofThisThread ??= readMtuProbing();
  return ofThisThread;
}

/** Reads net.ipv4.tcp_mtu_probing and tcp_retries1, which IPv6 obeys too. */
export function readMtuProbing(): MtuProbing {
  return {
    isOn: (readSysctl("net/ipv4/tcp_mtu_probing") ?? 0) > 0,
    afterTimeouts: readSysctl("net/ipv4/tcp_retries1") ?? 3,
  };
}
