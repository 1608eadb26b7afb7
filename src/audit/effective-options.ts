import type { ConnectionOptions } from "../kernel/options/connection-options.ts";
import { errnoText } from "../kernel/port/errno-linux.ts";
import type { SystemDefaults } from "../kernel/system/system-defaults.ts";
import type { ConnectionRow } from "../survey/connection-row.ts";
import type { OwnerTable } from "./owners/owner-table.ts";

/**
 * The source of a connection's settings: `read` from the socket, `seen` by its timers, or `assumed`
 * to be the system's defaults.
 */
export type SettingsSource = "read" | "seen" | "assumed";

/** Settings that a connection obeys, and their source. */
export interface EffectiveOptions {
  readonly options: ConnectionOptions;
  readonly source: SettingsSource;
  /** A sentence: what could not be read, and what is assumed instead; `null` = all was read. */
  readonly unknown: string | null;
}

/** Returns the options that a connection obeys, as well as they can be known. */
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
 * Stands in for options that cannot be read: the system's defaults. A keepalive timer that
 * sock_diag shows proves that keepalive is on.
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
