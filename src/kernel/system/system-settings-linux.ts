import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { HalfOpenError } from "../../core/errors.ts";
import { readSysctlFile } from "../options/sysctl-linux.ts";
import type {
  SystemChange,
  SystemSetting,
  SystemSettings,
  SystemSettingsStore,
} from "./system-settings-store.ts";

interface Sysctl {
  readonly file: string;
  /** Milliseconds in one of the kernel's units; 1 for counts. */
  readonly unitMs: number;
  readonly most: number;
}

/**
 * net/ipv4/sysctl_net_ipv4.c. The limits of the keepalive sysctls are those of the socket options
 * (include/net/tcp.h).
 */
const SYSCTLS: Readonly<Record<SystemSetting, Sysctl>> = {
  idleMs: { file: "tcp_keepalive_time", unitMs: 1000, most: 32_767 },
  intervalMs: { file: "tcp_keepalive_intvl", unitMs: 1000, most: 32_767 },
  count: { file: "tcp_keepalive_probes", unitMs: 1, most: 127 },
  dataRetries: { file: "tcp_retries2", unitMs: 1, most: 255 },
};
const PERSISTENT = "90-halfopen.conf";

/**
 * Returns the settings of Linux. `directory` holds the sysctls of this network namespace,
 * `persistentDirectory` the files that are applied at boot (sysctl.d(5)).
 */
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
      const before = attemptRead(path);
      const lines = (before ?? '# Written by "halfopen system set --persist".')
        .trimEnd()
        .split("\n");
      const undo = entriesOf(change).map(([setting, value]) =>
        setLine(lines, `net.ipv4.${SYSCTLS[setting].file}`, inUnits(setting, value)),
      );
      writeTo(path, `${lines.join("\n")}\n`);
      return before === null
        ? `rm ${path}`
        : `sed -i ${undo.map((expression) => `-e '${expression}'`).join(" ")} ${path}`;
    },
  };
}

function readAll(directory: string): SystemSettings {
  const read = (setting: SystemSetting): number | null => {
    const { file, unitMs } = SYSCTLS[setting];
    const units = readSysctlFile(join(directory, file));
    return units === null ? null : units * unitMs;
  };
  return {
    idleMs: read("idleMs"),
    intervalMs: read("intervalMs"),
    count: read("count"),
    dataRetries: read("dataRetries"),
  };
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

/**
 * Sets `name`, in place of the value that an earlier change made persistent. All other lines stay,
 * whoever wrote them. Returns the sed expression that undoes the change. It consists of numbers and
 * our own names, so nothing of the file gets into the command.
 */
function setLine(lines: string[], name: string, value: number): string {
  const isOurs = new RegExp(`^\\s*${name.replaceAll(".", "\\.")}\\s*=\\s*(\\d+)\\s*$`);
  const at = lines.findLastIndex((line) => isOurs.test(line)); // the last one counts (sysctl.d(5))
  const earlier = isOurs.exec(lines[at] ?? "")?.[1];
  const line = `${name} = ${value}`;
  if (earlier === undefined) lines.push(line);
  else lines[at] = line;
  const pattern = `^${name.replaceAll(".", "\\.")} = ${value}$`;
  return earlier === undefined ? `/${pattern}/d` : `s/${pattern}/${name} = ${earlier}/`;
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
      throw new HalfOpenError(
        "ERR_PERMISSION",
        `${path} may not be written (${code}); run as root, outside of a read-only container`,
        {
          cause,
        },
      );
    }
    throw new HalfOpenError(
      "ERR_NOT_SUPPORTED",
      `${path} could not be written: ${code ?? String(cause)}`,
      { cause },
    );
  }
}
