import { type Audit, takeAudit } from "../audit/audit.ts";
import { HalfOpenError } from "../core/errors.ts";
import { predict } from "../core/forecast/predict.ts";
import { openPort } from "../kernel/port/open-port.ts";
import { readSystemDefaults } from "../kernel/system/system-defaults.ts";
import type {
  SystemSetting,
  SystemSettings,
  SystemSettingsStore,
} from "../kernel/system/system-settings-store.ts";
import { MATCH_ALL } from "../survey/connection-filter.ts";
import { formatDuration } from "./duration.ts";
import { textTable } from "./text-table.ts";

export interface SystemReport {
  readonly platform: NodeJS.Platform;
  readonly settings: SystemSettings;
  readonly names: Readonly<Record<SystemSetting, string | null>>;
  /**
   * Detection time of a connection on a local network with keepalive on and nothing else set;
   * `null` when it is not known.
   */
  readonly noticeMs: { readonly idle: number | null; readonly inFlight: number | null };
  readonly notes: readonly string[];
  /** Connections that depend on the values now; `null` when connections cannot be surveyed. */
  readonly dependents: Dependents | null;
}

interface Dependents {
  readonly connections: number;
  /** Connections with keepalive on and the system's times. */
  readonly onKeepalive: number;
  /** Connections with keepalive off: no system value helps them. */
  readonly withoutKeepalive: number;
  /** Connections without a user timeout: data in flight waits for the system's retransmissions. */
  readonly onRetries: number;
  /** Connections whose settings could not be read. */
  readonly unknown: number;
  readonly processes: readonly { readonly process: string; readonly connections: number }[];
}

/** Round trip of a local network. */
const LAN_RTT_MS = 0.2;
const MOST_PROCESSES = 10;

export async function systemReport(store: SystemSettingsStore): Promise<SystemReport> {
  const settings = store.read();
  const { platform } = process;
  return {
    platform,
    settings,
    names: store.names,
    noticeMs: noticeOf(platform, settings),
    notes: store.notes,
    dependents: dependents(settings),
  };
}

/**
 * Returns the detection times. Idle is the same sum on every system; for data in flight only Linux'
 * rules are known well enough for a figure.
 */
function noticeOf(
  platform: NodeJS.Platform,
  { idleMs, intervalMs, count }: SystemSettings,
): SystemReport["noticeMs"] {
  const idle =
    idleMs === null || intervalMs === null || count === null ? null : idleMs + intervalMs * count;

  if (platform !== "linux") return { idle, inFlight: null };
  const { retries2, rtoMaxMs } = readSystemDefaults();
  const { inFlight } = predict({
    keepalive: true,
    rttMs: LAN_RTT_MS,
    system: { retries2, rtoMaxMs },
  });
  return { idle, inFlight: inFlight && Math.round(inFlight.typicalMs) };
}

function dependents(settings: SystemSettings): Dependents | null {
  const port = openPort();
  if (!port || process.platform !== "linux") return null;
  try {
    return countDependents(
      settings,
      takeAudit(port, { filter: MATCH_ALL, allNamespaces: false, detectWithinMs: 10_000 }),
    );
  } catch (error) {
    if (error instanceof HalfOpenError) return null;
    throw error;
  }
}

function countDependents(settings: SystemSettings, audit: Audit): Dependents {
  const counts = { connections: 0, onKeepalive: 0, withoutKeepalive: 0, onRetries: 0, unknown: 0 };
  const processes = new Map<string, number>();
  for (const { keepalive, userTimeoutMs, process } of audit.connections()) {
    counts.connections++;
    if (keepalive === null) {
      counts.unknown++;
      continue;
    }
    if (userTimeoutMs === 0) counts.onRetries++;
    if (!keepalive.enabled) {
      counts.withoutKeepalive++;
      continue;
    }
    const { idleMs, intervalMs, count } = keepalive;
    // A program that sets one of the three values usually leaves the others to the system. Any
    // value left to the system makes the connection depend.
    if (
      idleMs !== settings.idleMs &&
      intervalMs !== settings.intervalMs &&
      count !== settings.count
    )
      continue;
    counts.onKeepalive++;
    const name = process ?? "?";
    processes.set(name, (processes.get(name) ?? 0) + 1);
  }

  const ranked = [...processes]
    .map(([process, connections]) => ({ process, connections }))
    .sort((a, b) => b.connections - a.connections);
  return { ...counts, processes: ranked.slice(0, MOST_PROCESSES) };
}

export function systemReportText(report: SystemReport): string {
  const { settings, names, noticeMs, dependents: who } = report;
  const rows = [
    ["keepalive idle", timeText(settings.idleMs), names.idleMs ?? ""],
    ["keepalive interval", timeText(settings.intervalMs), names.intervalMs ?? ""],
    ["keepalive probes", countText(settings.count), names.count ?? "fixed"],
    ["retransmissions of data", countText(settings.dataRetries), names.dataRetries ?? "fixed"],
  ];
  const meaning = [
    ...(noticeMs.idle === null
      ? []
      : [`idle, keepalive on: a dead peer is noticed after ${formatDuration(noticeMs.idle)}`]),
    "idle, keepalive off: never",
    ...(noticeMs.inFlight === null
      ? []
      : [`data in flight, no user timeout: after ${formatDuration(noticeMs.inFlight)}`]),
  ];

  const notes = report.notes.map((note) => `note: ${note}\n`).join("");
  return `${textTable(rows)}\nA connection without settings of its own\n${meaning.map((line) => `  ${line}\n`).join("")}\n${who ? whoText(who) : ""}${notes}`;
}

function whoText(who: Dependents): string {
  const processes = who.processes
    .map(({ process, connections }) => `    ${connections}  ${process}\n`)
    .join("");
  const unknown = who.unknown > 0 ? `  ${who.unknown} could not be examined\n` : "";
  return `Of ${who.connections} connections now
  ${who.onKeepalive} use the system's keepalive times\n${processes}  ${who.withoutKeepalive} have keepalive off: no system value helps them
  ${who.onRetries} have no user timeout: their data in flight waits for the system's retransmissions\n${unknown}\n`;
}

function timeText(ms: number | null): string {
  return ms === null ? "?" : formatDuration(ms);
}

function countText(value: number | null): string {
  return value === null ? "?" : String(value);
}
