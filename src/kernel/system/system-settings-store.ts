/**
 * The system-wide settings that connections without their own obey. Times in ms; `null` = this
 * system has no such setting.
 */
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

/** The place where a system keeps these settings. Each platform has one implementation. */
export interface SystemSettingsStore {
  /** The system's own name of each setting; `null` where it cannot be set. */
  readonly names: Readonly<Record<SystemSetting, string | null>>;
  /** Facts about the system that the numbers do not show. */
  readonly notes: readonly string[];
  read(): SystemSettings;
  /**
   * Changes the running system. @throws HalfOpenError `ERR_PERMISSION`, `ERR_OPTION_RANGE`,
   * `ERR_NOT_SUPPORTED`
   */
  write(change: SystemChange): void;
  /**
   * Makes the change outlive a restart, and returns the command that undoes this; `null` where
   * setting the old values again does. @throws HalfOpenError
   */
  persist(change: SystemChange): string | null;
}

/** Runs a program to its end and returns its output. @throws what execFileSync throws */
export type RunProgram = (file: string, args: readonly string[]) => string;
