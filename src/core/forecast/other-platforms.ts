import type { DetectionTime, Timers } from "./prediction.ts";

// Rules of macOS, FreeBSD and Windows, from the kernels' sources and documents. Not measured by us.

/**
 * xnu and FreeBSD check keepalive and persist timers every half second, retransmissions every
 * 100 ms.
 */
const SLOW_TICK_MS = 500;
const BSD_RETRANSMITS = 12;
const BSD_LARGEST_RTO_MS = 64_000;
const BSD_SLOP_MS = 200;
const WINDOWS_RETRANSMITS = 5;
/** MinRto of Windows can be set between 20 and 300 ms. */
const WINDOWS_RTO_MS = { best: 20, typical: 300, worst: 1000 };

function keepaliveTime({ keepalive }: Timers, tickMs: number): DetectionTime | null {
  if (!keepalive) return null;
  const { idleMs, intervalMs, count } = keepalive;
  const probingMs = count * intervalMs;
  const by = `keepalive: ${count} probes unanswered`;
  return {
    bestMs: probingMs,
    typicalMs: idleMs / 2 + probingMs,
    worstMs: idleMs + probingMs + tickMs,
    by,
  };
}

function retransmission({ rtoMs }: Timers, by: string): DetectionTime {
  let typicalMs = 0;
  for (let i = 0; i <= BSD_RETRANSMITS; i++)
    typicalMs += Math.min(BSD_LARGEST_RTO_MS, BSD_SLOP_MS + rtoMs * 2 ** i);
  return { bestMs: typicalMs * 0.8, typicalMs, worstMs: typicalMs * 1.1 + 100, by };
}

function soonest(a: DetectionTime | null, b: DetectionTime | null): DetectionTime | null {
  if (!a || !b) return a ?? b;
  return a.typicalMs <= b.typicalMs ? a : b;
}

export function idleElsewhere(
  timers: Timers,
  platform: "darwin" | "freebsd" | "win32",
): DetectionTime | null {
  return keepaliveTime(timers, platform === "win32" ? 0 : SLOW_TICK_MS);
}

/**
 * Foretells the detection with data in flight. On macOS keepalive goes on meanwhile. On Windows
 * that is not documented, so keepalive is left out.
 */
export function inFlightElsewhere(
  timers: Timers,
  platform: "darwin" | "freebsd" | "win32",
): DetectionTime {
  const { userTimeoutMs } = timers;
  if (platform === "win32") {
    if (userTimeoutMs > 0)
      return {
        bestMs: userTimeoutMs,
        typicalMs: userTimeoutMs * 1.25,
        worstMs: 2 * userTimeoutMs + 1000,
        by: "TCP_MAXRT or TCP_MAXRTMS",
      };
    const sum = (rto: number): number => rto * (2 ** (WINDOWS_RETRANSMITS + 1) - 1);
    const { best, typical, worst } = WINDOWS_RTO_MS;
    return {
      bestMs: sum(best),
      typicalMs: sum(typical),
      worstMs: sum(worst),
      by: "TcpMaxDataRetransmissions = 5",
    };
  }

  const kernel = retransmission(timers, `${BSD_RETRANSMITS} retransmissions`);
  if (userTimeoutMs > 0) {
    const by =
      platform === "darwin"
        ? "TCP_RXT_CONNDROPTIME, at the retransmission after it"
        : "TCP_MAXUNACKTIME, at the retransmission after it";
    const limited = {
      bestMs: userTimeoutMs,
      typicalMs: userTimeoutMs * 1.5,
      worstMs: 2 * userTimeoutMs + 1000,
      by,
    };
    return soonest(limited, kernel) ?? kernel;
  }

  if (platform === "freebsd") return kernel;
  return soonest(keepaliveTime(timers, SLOW_TICK_MS), kernel) ?? kernel;
}

/**
 * Foretells the detection behind a closed window. macOS goes on with keepalive. Elsewhere nothing
 * is documented, so nothing is promised: `null`.
 */
export function zeroWindowDeadElsewhere(
  timers: Timers,
  platform: "darwin" | "freebsd" | "win32",
): DetectionTime | null {
  return platform === "darwin" ? keepaliveTime(timers, SLOW_TICK_MS) : null;
}

export function connectingElsewhere(platform: "darwin" | "freebsd" | "win32"): DetectionTime {
  if (platform === "win32")
    return {
      bestMs: 21_000,
      typicalMs: 21_000,
      worstMs: 22_000,
      by: "TcpMaxConnectRetransmissions = 2: 3 + 6 + 12 s",
    };
  return {
    bestMs: 75_000,
    typicalMs: 75_000,
    worstMs: 76_000,
    by: "the connection-establishment timer of 75 s",
  };
}
