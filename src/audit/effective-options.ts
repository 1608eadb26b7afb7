import type { ConnectionOptions } from "../kernel/options/connection-options.ts";
import { errnoText } from "../kernel/port/errno-linux.ts";
import type { SystemDefaults } from "../kernel/system/system-defaults.ts";
import type { ConnectionRow } from "../survey/connection-row.ts";
import type { OwnerTable } from "./owners/owner-table.ts";

/**
 * Where the settings of a connection come from: `read` exactly, `seen` by its timers, or `assumed`
 * to be the system's.
 */
export type SettingsSource = "read" | "seen" | "assumed";

export interface EffectiveOptions {
  readonly options: ConnectionOptions;
  readonly source: SettingsSource;
  /** What could not be read and what is taken instead; `null` when all was read. */
  readonly unknown: string | null;
}

/** The options that a connection obeys, as well as they can be known. */
export function effectiveOptions(
  row: ConnectionRow,
  owners: OwnerTable | null,
  defaults: SystemDefaults,
): EffectiveOptions {
  const exact = owners?.optionsOf(row.index);
  if (exact) return { options: exact, source: "read", unknown: null };
  const options = assumedOptions(defaults, row.timer === "keepalive");
  const why = whyNotRead(row, owners);
  if (row.isSeenWithoutKeepalive) {
    return {
      options,
      source: "seen",
      unknown: `keepalive is off (no timer runs), its other settings are not known: ${why}`,
    };
  }
  const on =
    row.timer === "keepalive" ? "keepalive is on, its times" : "its keepalive and user timeout";
  return {
    options,
    source: "assumed",
    unknown: `${on} are not known, the system's defaults are assumed: ${why}`,
  };
}

function whyNotRead(row: ConnectionRow, owners: OwnerTable | null): string {
  if (row.inode === 0) return "no program holds it any more";
  const errno = owners?.errnoOf(row.index) ?? null;
  if (errno !== null) return `its descriptor may not be read (${errnoText(errno)})`;
  return "its owner cannot be seen from this user";
}

/**
 * What must be assumed where the options cannot be read: the system's defaults. A keepalive timer
 * seen by sock_diag proves that keepalive is on.
 */
function assumedOptions(defaults: SystemDefaults, isKeepaliveSeen: boolean): ConnectionOptions {
  return {
    keepalive: {
      enabled: isKeepaliveSeen,
      idleMs: defaults.keepaliveIdleMs,
      intervalMs: defaults.keepaliveIntervalMs,
      count: defaults.keepaliveCount,
    },
    userTimeoutMs: 0,
    rtoMaxMs: null,
  };
}
