import { HalfOpenError } from "../core/errors.ts";
import { darwinSettings } from "./system-settings-darwin.ts";
import { linuxSettings } from "./system-settings-linux.ts";
import { win32Settings } from "./system-settings-win32.ts";

/** The system-wide numbers that decide for connections without settings of their own. Times in ms; `null` = this system has no such setting. */
export interface SystemSettings {
  /** Silence before the first keepalive probe. */
  readonly idleMs: number | null;
  readonly intervalMs: number | null;
  /** Unanswered probes that end a connection. */
  readonly count: number | null;
  /** Retransmissions before data in flight is given up. */
  readonly dataRetries: number | null;
}

export type SystemSetting = keyof SystemSettings;
export type SystemChange = Partial<Readonly<Record<SystemSetting, number>>>;

/** Where a system keeps them. One implementation a platform, the same for all commands. */
export interface SystemSettingsStore {
  /** The system's own name of each setting; `null` where it cannot be set. */
  readonly names: Readonly<Record<SystemSetting, string | null>>;
  /** What the system does that the numbers do not say. */
  readonly notes: readonly string[];
  read(): SystemSettings;
  /** Changes the running system. @throws HalfOpenError `ERR_PERMISSION`, `ERR_OPTION_RANGE`, `ERR_NOT_SUPPORTED` */
  write(change: SystemChange): void;
  /** Makes the change outlive a restart, and returns the command that takes that back; `null` where undoing the change does. @throws HalfOpenError */
  persist(change: SystemChange): string | null;
}

/** Runs a program to its end and returns its output. @throws what execFileSync throws */
export type RunProgram = (file: string, args: readonly string[]) => string;

/** @throws HalfOpenError `ERR_NOT_SUPPORTED` */
export function systemSettings(platform: NodeJS.Platform, run: RunProgram): SystemSettingsStore {
  if (platform === "linux") return linuxSettings("/proc/sys/net/ipv4", "/etc/sysctl.d");
  if (platform === "darwin") return darwinSettings(run);
  if (platform === "win32") return win32Settings(run);
  throw new HalfOpenError("ERR_NOT_SUPPORTED", `the system-wide keepalive settings of ${platform} are not known here`);
}
