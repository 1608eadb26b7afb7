import { release } from "node:os";
import { isMasked } from "./mask.ts";
import { openPort, whyNoPort } from "./open-port.ts";
import { IPPROTO_TCP, TCP_INFO, TCP_RTO_MAX_MS, TCP_USER_TIMEOUT } from "./platform-linux.ts";
import type { SystemPort } from "./port.ts";

export interface Capability {
  readonly available: boolean;
  /** Why not, and what is lost; `null` when available. */
  readonly why: string | null;
}

/** What works on this OS, this Node and with these permissions. Found out by trying, on a socket of our own that is never connected. */
export interface Capabilities {
  readonly platform: NodeJS.Platform;
  readonly kernel: string;
  readonly node: string;
  readonly backEnd: "node:ffi" | "koffi" | null;
  /** Idle, interval and count of one connection, set and read back. */
  readonly keepalive: Capability;
  readonly userTimeout: Capability;
  readonly tcpInfo: Capability & { readonly bytes: number | null };
  readonly nudge: Capability;
  /** The cap on retransmission backoff, without which a peer that dies behind a closed window is found late. */
  readonly rtoMax: Capability;
  /** Route, link and neighbour of a peer. */
  readonly localPath: Capability;
}

const AVAILABLE: Capability = { available: true, why: null };

/** Never throws, also where nothing works. */
export function capabilities(): Capabilities {
  const port = openPort();
  const socket = port ? port.socket(2, 1, 0) : -1; // AF_INET, SOCK_STREAM
  try {
    return {
      platform: process.platform,
      kernel: kernelRelease(),
      node: process.versions.node,
      backEnd: port?.backEnd ?? null,
      keepalive: port ? AVAILABLE : missing("only what Node's setKeepAlive can set"),
      userTimeout: has(port, socket, TCP_USER_TIMEOUT, "dead peers with data in flight are found after tcp_retries2 only"),
      tcpInfo: tcpInfo(port, socket),
      nudge: port ? AVAILABLE : missing("no probe on demand"),
      rtoMax: rtoMax(port, socket),
      localPath: localPath(port),
    };
  } finally {
    if (port && socket >= 0) port.close(socket);
  }
}

function missing(lost: string): Capability {
  return { available: false, why: `no native back-end (${whyNoPort()}): ${lost}` };
}

function has(port: SystemPort | null, socket: number, option: number, lost: string): Capability {
  if (!port) return missing(lost);
  const result = port.getsockopt(socket, IPPROTO_TCP, option, new Uint8Array(4));
  return result >= 0 ? AVAILABLE : { available: false, why: `the kernel refuses it (errno ${-result}): ${lost}` };
}

function rtoMax(port: SystemPort | null, socket: number): Capability {
  const lost = "a peer that dies behind a closed window is found after two to three times the time it was blocked";
  if (port && isMasked("rto-max")) return { available: false, why: `hidden by HALFOPEN_MASK: ${lost}` };
  return has(port, socket, TCP_RTO_MAX_MS, `Linux >= 6.15 has it; ${lost}`);
}

function tcpInfo(port: SystemPort | null, socket: number): Capability & { bytes: number | null } {
  const lost = "no kernel evidence: verdicts rest on the kernel's keepalive and on heartbeats";
  if (!port) return { ...missing(lost), bytes: null };
  const result = port.getsockopt(socket, IPPROTO_TCP, TCP_INFO, new Uint8Array(512));
  return result >= 0
    ? { ...AVAILABLE, bytes: result }
    : { available: false, why: `the kernel refuses it (errno ${-result}): ${lost}`, bytes: null };
}

function localPath(port: SystemPort | null): Capability {
  const lost = "a broken route or link of our own cannot be told from a silent path";
  if (!port) return missing(lost);
  const fd = port.socket(16, 3, 0); // AF_NETLINK, SOCK_RAW, NETLINK_ROUTE
  if (fd < 0) return { available: false, why: `netlink is refused (errno ${-fd}): ${lost}` };
  port.close(fd);
  return AVAILABLE;
}

function kernelRelease(): string {
  try {
    return release();
  } catch {
    return "unknown"; // Node for Windows under Wine throws here
  }
}
