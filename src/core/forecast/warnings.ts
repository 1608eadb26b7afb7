import { IDLE_LIMITS } from "./idle-limits.ts";
import type { Platform, PredictSettings, Timers } from "./prediction.ts";

/** Warns of facts that people who choose these settings usually do not know. */
export function warningsOf(
  settings: PredictSettings,
  timers: Timers,
  platform: Platform,
): string[] {
  const { keepalive, userTimeoutMs } = timers;
  const warnings: string[] = [];
  const isLinux = platform === "linux";
  if (!keepalive && userTimeoutMs > 0)
    warnings.push(
      "a user timeout alone does nothing on an idle connection: without keepalive no packet is sent that could stay unanswered",
    );
  if (isLinux && keepalive && userTimeoutMs === 0 && !settings.heartbeat)
    warnings.push(
      "keepalive does not run while data is in flight: then tcp_retries2 decides. Set a user timeout, TCP_RTO_MAX_MS, or watch the socket",
    );
  if (!keepalive)
    warnings.push(
      "a connection closed on one side only (FIN_WAIT2, CLOSE_WAIT) never ends by itself while a program holds it",
    );
  if (isLinux && settings.rtoMaxMs !== undefined && timers.rtoMaxMs !== settings.rtoMaxMs)
    warnings.push(
      `Linux ${settings.kernel} has no TCP_RTO_MAX_MS, which came with 6.15: the cap of ${settings.rtoMaxMs / 1000} s is ignored`,
    );
  if (isLinux && userTimeoutMs > 0 && !timers.limitsClosedWindow)
    warnings.push(
      `on Linux ${settings.kernel} the user timeout does not count behind a closed window; it does since 5.11, and in 5.10 and 5.4`,
    );
  if (isLinux && userTimeoutMs > 0 && timers.limitsClosedWindow)
    warnings.push(
      `the user timeout ends a live peer that does not read for ${userTimeoutMs / 1000} s: to the kernel its closed window looks like silence (Linux 5.11, backported to 5.4 and 5.10)`,
    );
  if (isLinux && userTimeoutMs > 0 && keepalive)
    warnings.push(`with a user timeout the keepalive count of ${keepalive.count} is ignored`);
  if (settings.heartbeat)
    warnings.push(
      "a heartbeat with a fixed timeout ends live peers when this process stalls, or when the peer does not read",
    );
  if (
    keepalive &&
    (keepalive.idleMs % 1000 !== 0 || keepalive.intervalMs % 1000 !== 0) &&
    platform !== "win32"
  )
    warnings.push(
      "keepalive counts whole seconds here: fractions are rounded up by halfopen, cut off by Node",
    );
  if (
    typeof settings.keepalive === "object" &&
    (keepalive?.intervalMs !== 1000 || keepalive.count !== 10)
  )
    warnings.push(
      "Node 20 and 22 fix interval 1 s and count 10; only from 24.19 and 26.4 setKeepAlive takes them. halfopen's setKeepalive sets them on all",
    );
  if (platform !== "linux")
    warnings.push(`the rules of ${platform} are from its documents and were not measured by us`);
  if (platform === "freebsd" || platform === "win32")
    warnings.push(
      `we do not know when ${platform} notices a peer that dies behind a closed window: null means unknown there, not never`,
    );

  const silenceMs = keepalive ? keepalive.idleMs : Number.POSITIVE_INFINITY;
  const forgetting = IDLE_LIMITS.filter(
    ({ limitMs }) =>
      limitMs <= silenceMs && !(settings.heartbeat && settings.heartbeat.intervalMs < limitMs),
  );
  if (forgetting.length > 0)
    warnings.push(
      `boxes on the path may forget a silent flow before a probe leaves: ${forgetting.map(({ name, limitMs }) => `${name} after ${limitMs / 1000} s`).join(", ")}`,
    );
  return warnings;
}
