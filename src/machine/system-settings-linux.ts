import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { HalfOpenError } from "../core/errors.ts";
import type { SystemChange, SystemSetting, SystemSettings, SystemSettingsStore } from "./system-settings.ts";

interface Sysctl {
  readonly file: string;
  /** How many ms one of the kernel's units is; 1 for counts. */
  readonly unitMs: number;
  readonly most: number;
}

/** net/ipv4/sysctl_net_ipv4.c; the limits of the keepalive ones are those of the socket options (include/net/tcp.h). */
const SYSCTLS: Readonly<Record<SystemSetting, Sysctl>> = {
  idleMs: { file: "tcp_keepalive_time", unitMs: 1000, most: 32_767 },
  intervalMs: { file: "tcp_keepalive_intvl", unitMs: 1000, most: 32_767 },
  count: { file: "tcp_keepalive_probes", unitMs: 1, most: 127 },
  dataRetries: { file: "tcp_retries2", unitMs: 1, most: 255 },
};
const PERSISTENT = "90-halfopen.conf";

/** `directory` holds the sysctls of this network namespace, `persistentDirectory` what is applied at boot (sysctl.d(5)). */
export function linuxSettings(directory: string, persistentDirectory: string): SystemSettingsStore {
  return {
    names: {
      idleMs: "net.ipv4.tcp_keepalive_time",
      intervalMs: "net.ipv4.tcp_keepalive_intvl",
      count: "net.ipv4.tcp_keepalive_probes",
      dataRetries: "net.ipv4.tcp_retries2",
    },
    notes: [
      "keepalive runs only on connections whose program switched it on (SO_KEEPALIVE): the system values do not switch it on",
      "connections without keepalive times of their own obey a change when their timer fires next",
    ],
    read: () => readAll(directory),
    write(change) {
      for (const [setting, value] of entriesOf(change)) {
        const { file } = SYSCTLS[setting];
        writeTo(join(directory, file), `${inUnits(setting, value)}\n`);
      }
    },
    persist(change) {
      const path = join(persistentDirectory, PERSISTENT);
      const merged = { ...linesOf(path) };
      for (const [setting, value] of entriesOf(change)) merged[`net.ipv4.${SYSCTLS[setting].file}`] = String(inUnits(setting, value));
      const lines = Object.entries(merged).map(([name, value]) => `${name} = ${value}\n`);
      writeTo(path, `# Written by "halfopen system set --persist".\n${lines.join("")}`);
      return `rm ${path}`;
    },
  };
}

function readAll(directory: string): SystemSettings {
  const read = (setting: SystemSetting): number | null => {
    const { file, unitMs } = SYSCTLS[setting];
    const text = attemptRead(join(directory, file))?.trim() ?? "";
    return /^\d+$/.test(text) ? Number(text) * unitMs : null;
  };
  return { idleMs: read("idleMs"), intervalMs: read("intervalMs"), count: read("count"), dataRetries: read("dataRetries") };
}

/** @throws HalfOpenError `ERR_OPTION_RANGE` */
function inUnits(setting: SystemSetting, value: number): number {
  const { file, unitMs, most } = SYSCTLS[setting];
  const units = value / unitMs;
  if (Number.isInteger(units) && units >= 1 && units <= most) return units;
  const unit = unitMs === 1 ? "" : " whole seconds";
  throw new HalfOpenError("ERR_OPTION_RANGE", `${file} takes 1 to ${most}${unit}, got ${units}`);
}

function entriesOf(change: SystemChange): [SystemSetting, number][] {
  const entries = Object.entries(change) as [SystemSetting, number][];
  for (const [setting, value] of entries) inUnits(setting, value); // all or nothing
  return entries;
}

/** What an earlier change made persistent stays. */
function linesOf(path: string): Record<string, string> {
  const pairs = (attemptRead(path) ?? "").split("\n").map((line) => /^\s*([\w.]+)\s*=\s*(\S+)\s*$/.exec(line));
  return Object.fromEntries(pairs.flatMap((pair) => (pair ? [[pair[1] ?? "", pair[2] ?? ""]] : [])));
}

function attemptRead(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}

function writeTo(path: string, text: string): void {
  try {
    writeFileSync(path, text);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === "EACCES" || code === "EPERM" || code === "EROFS") {
      throw new HalfOpenError("ERR_PERMISSION", `${path} may not be written (${code}); run as root, outside of a read-only container`, {
        cause,
      });
    }
    throw new HalfOpenError("ERR_NOT_SUPPORTED", `${path} could not be written: ${code ?? String(cause)}`, { cause });
  }
}
