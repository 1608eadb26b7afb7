import { HalfOpenError } from "../../core/errors.ts";
import type {
  RunProgram,
  SystemChange,
  SystemSetting,
  SystemSettingsStore,
} from "./system-settings-store.ts";

/**
 * bsd/netinet/tcp_timer.c. Times in ms, unlike the socket options, which are seconds. Read in the
 * source, not run.
 */
const NAMES: Readonly<Record<Exclude<SystemSetting, "dataRetries">, string>> = {
  idleMs: "net.inet.tcp.keepidle",
  intervalMs: "net.inet.tcp.keepintvl",
  count: "net.inet.tcp.keepcnt",
};

export function darwinSettings(run: RunProgram): SystemSettingsStore {
  return {
    names: { ...NAMES, dataRetries: null },
    notes: [
      "net.inet.tcp.always_keepalive = 1 would switch keepalive on for every connection",
      "data in flight is given up after 12 retransmissions (TCP_MAXRXTSHIFT), which cannot be changed",
    ],
    read() {
      const read = (name: string): number | null => {
        const text = run("sysctl", ["-n", name]).trim();
        return /^\d+$/.test(text) ? Number(text) : null;
      };
      return {
        idleMs: read(NAMES.idleMs),
        intervalMs: read(NAMES.intervalMs),
        count: read(NAMES.count),
        dataRetries: null,
      };
    },
    write(change) {
      for (const assignment of assignments(change)) runAsRoot(run, ["-w", assignment]);
    },
    persist() {
      throw new HalfOpenError(
        "ERR_NOT_SUPPORTED",
        "macOS reads no sysctl file at start; a launchd job that runs `halfopen system set ... --yes` makes a change outlive a restart",
      );
    },
  };
}

function assignments(change: SystemChange): string[] {
  return Object.entries(change).map(([setting, value]) => {
    if (setting === "dataRetries")
      throw new HalfOpenError(
        "ERR_NOT_SUPPORTED",
        "macOS has no setting for the retransmissions of data",
      );
    return `${NAMES[setting as keyof typeof NAMES]}=${value}`;
  });
}

function runAsRoot(run: RunProgram, args: readonly string[]): void {
  try {
    run("sysctl", args);
  } catch (cause) {
    throw new HalfOpenError("ERR_PERMISSION", `sysctl ${args.join(" ")} failed; run it as root`, {
      cause,
    });
  }
}
