import { HalfOpenError } from "../errors.ts";
import {
  HAS_CONNECTION_RTO_MAX,
  HAS_LINEAR_SYN_TIMEOUTS,
  hasUserTimeoutAtZeroWindow,
  isAtLeast,
  parseKernel,
} from "./kernel-version.ts";
import { connectingLinux, idleLinux, inFlightLinux, zeroWindowDeadLinux } from "./linux.ts";
import {
  connectingElsewhere,
  idleElsewhere,
  inFlightElsewhere,
  zeroWindowDeadElsewhere,
} from "./other-platforms.ts";
import type {
  DetectionTime,
  Platform,
  Prediction,
  PredictSettings,
  SystemSettings,
  Timers,
} from "./prediction.ts";
import { survivedOutages } from "./survived-outage.ts";
import { warningsOf } from "./warnings.ts";

const LINUX: SystemSettings = {
  keepaliveIdleMs: 7_200_000,
  keepaliveIntervalMs: 75_000,
  keepaliveCount: 9,
  retries2: 15,
  synRetries: 6,
  synLinearTimeouts: 4,
  rtoMaxMs: 120_000,
};
const SYSTEMS: Readonly<Record<Platform, SystemSettings>> = {
  linux: LINUX,
  darwin: { ...LINUX, keepaliveCount: 8 },
  freebsd: { ...LINUX, keepaliveCount: 8 },
  win32: { ...LINUX, keepaliveIntervalMs: 1000, keepaliveCount: 10 },
};
const LARGEST_MS = 0x7fff_ffff;
/** At HZ=250, what most distributions build with. */
const TICK_MS = 4;

/**
 * Foretells how long given settings take to notice that a peer is gone, for each phase of a
 * connection; `null` is never. Linux's rules were measured (docs/predict.md). Those of the other
 * platforms are from their documents.
 *
 * @throws HalfOpenError `ERR_OPTION_RANGE`
 */
export function predict(settings: PredictSettings = {}): Prediction {
  const platform = settings.platform ?? "linux";
  const timers = timersOf(settings, platform);
  const { heartbeat } = settings;
  const beat = heartbeat ? heartbeatTime(heartbeat) : null;

  const isLinux = platform === "linux";
  const idle = isLinux ? idleLinux(timers) : idleElsewhere(timers, platform);
  const inFlight = isLinux ? inFlightLinux(timers) : inFlightElsewhere(timers, platform);
  const zeroWindowDead = isLinux
    ? zeroWindowDeadLinux(timers)
    : zeroWindowDeadElsewhere(timers, platform);
  const isKilledByKernel = isLinux && timers.userTimeoutMs > 0 && timers.limitsClosedWindow;

  return {
    platform,
    idle: sooner(idle, beat),
    inFlight: sooner(inFlight, beat),
    zeroWindowDead: sooner(zeroWindowDead, beat),
    // A ping waits behind the closed window, like all other data
    zeroWindowAliveKilled: isKilledByKernel || beat !== null,
    halfClosed: idle,
    connecting: isLinux ? connectingLinux(timers) : connectingElsewhere(platform),
    survivesOutage: isLinux ? survivedOutages(timers, heartbeat) : null,
    warnings: warningsOf(settings, timers, platform),
  };
}

function timersOf(settings: PredictSettings, platform: Platform): Timers {
  if (!Object.hasOwn(SYSTEMS, platform))
    throw new HalfOpenError(
      "ERR_OPTION_RANGE",
      `platform must be ${Object.keys(SYSTEMS).join(", ")}, got ${String(platform)}`,
    );

  const kernel =
    platform === "linux" && settings.kernel !== undefined ? parseKernel(settings.kernel) : null;
  const isSince = (release: readonly [number, number]): boolean =>
    kernel === null || isAtLeast(kernel, release);
  const linear = isSince(HAS_LINEAR_SYN_TIMEOUTS) ? {} : { synLinearTimeouts: 0 };
  const system = { ...SYSTEMS[platform], ...linear, ...settings.system };

  const { keepalive = false } = settings;
  const rttMs = inRange("rttMs", settings.rttMs ?? 1, 0);
  const own =
    keepalive === true
      ? {
          idleMs: system.keepaliveIdleMs,
          intervalMs: system.keepaliveIntervalMs,
          count: system.keepaliveCount,
        }
      : keepalive;
  if (own) {
    inRange("keepalive.idleMs", own.idleMs, 1);
    inRange("keepalive.intervalMs", own.intervalMs, 1);
    inRange("keepalive.count", own.count, 1);
  }

  if (settings.heartbeat) {
    inRange("heartbeat.intervalMs", settings.heartbeat.intervalMs, 1);
    inRange("heartbeat.timeoutMs", settings.heartbeat.timeoutMs, 1);
  }

  return {
    keepalive: own || null,
    userTimeoutMs: inRange("userTimeoutMs", settings.userTimeoutMs ?? 0, 0),
    rttMs,
    // RFC 6298 with Linux's floor of 200 ms under the variance, in ticks: 204 ms on a LAN
    rtoMs:
      Math.ceil((rttMs + 1) / TICK_MS) * TICK_MS +
      Math.max(200, 4 * inRange("jitterMs", settings.jitterMs ?? 0, 0)),
    rtoMaxMs: isSince(HAS_CONNECTION_RTO_MAX)
      ? inRange("rtoMaxMs", settings.rtoMaxMs ?? system.rtoMaxMs, 1000)
      : system.rtoMaxMs,
    limitsClosedWindow: kernel === null || hasUserTimeoutAtZeroWindow(kernel),
    system,
  };
}

function inRange(name: string, value: number, smallest: number): number {
  if (typeof value === "number" && value >= smallest && value <= LARGEST_MS) return value;
  throw new HalfOpenError(
    "ERR_OPTION_RANGE",
    `${name} must be a number from ${smallest} to ${LARGEST_MS}, got ${String(value)}`,
  );
}

function heartbeatTime({
  intervalMs,
  timeoutMs,
}: {
  intervalMs: number;
  timeoutMs: number;
}): DetectionTime {
  return {
    bestMs: timeoutMs,
    typicalMs: intervalMs / 2 + timeoutMs,
    worstMs: intervalMs + timeoutMs,
    by: "heartbeat unanswered",
  };
}

function sooner(a: DetectionTime | null, b: DetectionTime | null): DetectionTime | null {
  if (!a || !b) return a ?? b;
  const first = a.typicalMs <= b.typicalMs ? a : b;
  return {
    ...first,
    bestMs: Math.min(a.bestMs, b.bestMs),
    worstMs: Math.min(a.worstMs, b.worstMs),
  };
}
