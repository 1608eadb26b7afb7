import { HalfOpenError } from "../../core/errors.ts";
import type {
  RunProgram,
  SystemChange,
  SystemSetting,
  SystemSettings,
  SystemSettingsStore,
} from "./system-settings-store.ts";

const KEY = "HKLM\\SYSTEM\\CurrentControlSet\\Services\\Tcpip\\Parameters";
/**
 * Values of the registry, all REG_DWORD, times in ms. An absent value has the default beside it
 * (Microsoft, "TCP/IP registry values").
 */
const VALUES: Readonly<
  Record<Exclude<SystemSetting, "count">, { readonly name: string; readonly otherwise: number }>
> = {
  idleMs: { name: "KeepAliveTime", otherwise: 7_200_000 },
  intervalMs: { name: "KeepAliveInterval", otherwise: 1000 },
  dataRetries: { name: "TcpMaxDataRetransmissions", otherwise: 5 },
};
/** Fixed since Vista. */
const PROBES = 10;
const LARGEST_DWORD = 0xffff_ffff;

export function win32Settings(run: RunProgram): SystemSettingsStore {
  return {
    names: {
      idleMs: VALUES.idleMs.name,
      intervalMs: VALUES.intervalMs.name,
      count: null,
      dataRetries: VALUES.dataRetries.name,
    },
    notes: [
      "the number of probes is 10 since Windows Vista and has no setting",
      "a change of the registry acts after a restart of the system, and stays",
    ],
    read: (): SystemSettings => ({
      idleMs: readValue(run, "idleMs"),
      intervalMs: readValue(run, "intervalMs"),
      count: PROBES,
      dataRetries: readValue(run, "dataRetries"),
    }),
    write(change) {
      for (const args of additions(change)) addValue(run, args);
    },
    // The registry is persistent by itself: setting the old values again undoes a change.
    persist: () => null,
  };
}

/**
 * Reads one value. `reg query` prints `    KeepAliveTime    REG_DWORD    0x493e0`, and ends with
 * exit code 1 for a value that is not there.
 */
function readValue(run: RunProgram, setting: keyof typeof VALUES): number {
  const { name, otherwise } = VALUES[setting];
  try {
    const [, hex] = /REG_DWORD\s+0x([0-9a-f]+)/i.exec(run("reg", ["query", KEY, "/v", name])) ?? [];
    return hex === undefined ? otherwise : Number.parseInt(hex, 16);
  } catch (cause) {
    if ((cause as { status?: unknown }).status === 1) return otherwise;
    throw new HalfOpenError(
      "ERR_NOT_SUPPORTED",
      `the registry cannot be read: reg query ${KEY} /v ${name} failed`,
      { cause },
    );
  }
}

function additions(change: SystemChange): string[][] {
  return Object.entries(change).map(([setting, value]) => {
    if (setting === "count")
      throw new HalfOpenError(
        "ERR_NOT_SUPPORTED",
        `Windows sends ${PROBES} probes; the number has no system-wide setting`,
      );
    if (!Number.isInteger(value) || value < 1 || value > LARGEST_DWORD) {
      throw new HalfOpenError(
        "ERR_OPTION_RANGE",
        `${setting} must be a whole number from 1 to ${LARGEST_DWORD}, got ${value}`,
      );
    }
    return [
      "add",
      KEY,
      "/v",
      VALUES[setting as keyof typeof VALUES].name,
      "/t",
      "REG_DWORD",
      "/d",
      String(value),
      "/f",
    ];
  });
}

function addValue(run: RunProgram, args: readonly string[]): void {
  try {
    run("reg", args);
  } catch (cause) {
    throw new HalfOpenError(
      "ERR_PERMISSION",
      `reg ${args.join(" ")} failed; run it in an elevated prompt`,
      { cause },
    );
  }
}
