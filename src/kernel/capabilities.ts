import { release } from "node:os";
import { NETLINK_ROUTE, openNetlink } from "./netlink/netlink-message.ts";
import { isMasked } from "./port/mask.ts";
import { openPort, whyNoPort } from "./port/open-port.ts";
import { openedWinsock, openSocketPort, whyNoSocketPort } from "./port/open-socket-port.ts";
import { platform } from "./port/platform.ts";
import { IPPROTO_TCP, TCP_RTO_MAX_MS } from "./port/platform-linux.ts";
import type { SocketPort } from "./port/socket-port.ts";
import { whyNoKernelEvidence } from "./tcp-info/kernel-evidence.ts";
import { whyNoShortBudgets } from "./tcp-info/short-budgets.ts";
import { probeWin32TcpInfo } from "./tcp-info/tcp-info-win32.ts";

export interface Capability {
  readonly available: boolean;
  /** Why the feature is missing, and what is lost without it; `null` when available. */
  readonly why: string | null;
}

/**
 * The features that work on this OS, with this Node and these permissions. Each is tried on a
 * socket of our own. On Linux one is connected to itself over the loopback interface, to see
 * whether the kernel's numbers move; that takes some milliseconds, once in a thread.
 */
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
  /**
   * The cap on retransmission backoff. Without it a peer that dies behind a closed window is found
   * late.
   */
  readonly rtoMax: Capability;
  /** Budgets from 300 to 2500 ms, which take a heartbeat beside the kernel's evidence. */
  readonly shortBudgets: Capability;
  /** Route, link and neighbour of a peer. */
  readonly localPath: Capability;
}

const AVAILABLE: Capability = { available: true, why: null };
const isLinux = process.platform === "linux";
const SOCK_STREAM = 1;

/** Returns which features work here. Never throws, even where none does. */
export function capabilities(): Capabilities {
  const port = openSocketPort();
  const socket = port ? port.socket(platform.addressFamily.inet, SOCK_STREAM, 0) : -1;
  try {
    return {
      platform: process.platform,
      kernel: kernelRelease(),
      node: process.versions.node,
      backEnd: port?.backEnd ?? null,
      keepalive: port ? AVAILABLE : missing("only what Node's setKeepAlive can set"),
      userTimeout: userTimeout(port, socket),
      tcpInfo: tcpInfo(port, socket),
      nudge:
        ofLinux(port, "no probe on demand") ??
        withoutEvidence("the answer to a probe cannot be seen") ??
        AVAILABLE,
      rtoMax: rtoMax(port, socket),
      shortBudgets: shortBudgets(),
      localPath: localPath(),
    };
  } finally {
    if (port && socket >= 0) port.close(socket);
  }
}

function missing(lost: string): Capability {
  return { available: false, why: `no native back-end (${whyNoSocketPort()}): ${lost}` };
}

/**
 * Returns the reason where this Linux passes on less of TCP_INFO than a judgement needs, which no
 * real kernel does; else `null`.
 */
function withoutEvidence(lost: string): Capability | null {
  const why = isLinux ? whyNoKernelEvidence() : null;
  return why === null ? null : { available: false, why: `${why}: ${lost}` };
}

/** Returns the reason where a feature of Linux alone is missing; else `null`. */
function ofLinux(port: SocketPort | null, lost: string): Capability | null {
  if (!isLinux) return { available: false, why: `only Linux has it: ${lost}` };
  return port ? null : missing(lost);
}

function userTimeout(port: SocketPort | null, socket: number): Capability {
  const lost = "dead peers with data in flight are found only when the system gives up";
  const tried = platform.userTimeout.map(({ option }) => has(port, socket, option, lost));
  return tried.find(({ available }) => available) ?? tried[0] ?? missing(lost);
}

function has(port: SocketPort | null, socket: number, option: number, lost: string): Capability {
  if (!port) return missing(lost);
  const result = port.getsockopt(socket, IPPROTO_TCP, option, new Uint8Array(4));
  return result >= 0
    ? AVAILABLE
    : { available: false, why: `the kernel refuses it (errno ${-result}): ${lost}` };
}

function rtoMax(port: SocketPort | null, socket: number): Capability {
  const lost =
    "a peer that dies behind a closed window is found after up to fifteen times the time it was blocked, later still on a long or lossy path";
  if (port && isMasked("rto-max"))
    return { available: false, why: `hidden by HALFOPEN_MASK: ${lost}` };
  return ofLinux(port, lost) ?? has(port, socket, TCP_RTO_MAX_MS, `Linux >= 6.15 has it; ${lost}`);
}

function tcpInfo(port: SocketPort | null, socket: number): Capability & { bytes: number | null } {
  const lost = "no kernel evidence: verdicts rest on the kernel's keepalive and on heartbeats";
  if (!port) return { ...missing(lost), bytes: null };
  const short = withoutEvidence(lost);
  if (short) return { ...short, bytes: null };
  const option = platform.tcpInfo;
  const winsock = openedWinsock();
  const result = option
    ? port.getsockopt(socket, IPPROTO_TCP, option.option, new Uint8Array(512))
    : winsock
      ? probeWin32TcpInfo(winsock, socket)
      : -1;
  return result >= 0
    ? { ...AVAILABLE, bytes: result }
    : { available: false, why: `the kernel refuses it (errno ${-result}): ${lost}`, bytes: null };
}

function shortBudgets(): Capability {
  const why = whyNoShortBudgets();
  return why === null ? AVAILABLE : { available: false, why: `${why}: the least is 2500 ms` };
}

function localPath(): Capability {
  const lost = "a broken route or link of this host looks like a silent path";
  const port = openPort();
  if (!port)
    return isLinux
      ? { available: false, why: `no native back-end (${whyNoPort()}): ${lost}` }
      : (ofLinux(null, lost) ?? AVAILABLE);
  const fd = openNetlink(port, NETLINK_ROUTE);
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
