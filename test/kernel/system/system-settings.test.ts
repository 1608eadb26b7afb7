import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { systemSettings } from "../../../src/kernel/system/system-settings.ts";
import { linuxSettings } from "../../../src/kernel/system/system-settings-linux.ts";

const made: string[] = [];
afterEach(() => {
  for (const directory of made.splice(0)) rmSync(directory, { recursive: true });
});

function linuxWith(values: Readonly<Record<string, string>>) {
  const root = mkdtempSync(join(tmpdir(), "halfopen-"));
  made.push(root);
  const [sysctls, persistent] = [join(root, "ipv4"), join(root, "sysctl.d")];
  for (const directory of [sysctls, persistent]) mkdirSync(directory);
  for (const [name, value] of Object.entries(values))
    writeFileSync(join(sysctls, name), `${value}\n`);
  return { sysctls, persistent, store: linuxSettings(sysctls, persistent) };
}

const DEFAULTS = {
  tcp_keepalive_time: "7200",
  tcp_keepalive_intvl: "75",
  tcp_keepalive_probes: "9",
  tcp_retries2: "15",
};

describe("the settings of Linux", () => {
  it("are read in ms, as null where the kernel has none", () => {
    expect(linuxWith(DEFAULTS).store.read()).toEqual({
      idleMs: 7_200_000,
      intervalMs: 75_000,
      count: 9,
      dataRetries: 15,
    });
    expect(linuxWith({}).store.read()).toEqual({
      idleMs: null,
      intervalMs: null,
      count: null,
      dataRetries: null,
    });
  });

  it("are written in the kernel's units, all of them or none", () => {
    const { store, sysctls } = linuxWith(DEFAULTS);
    store.write({ idleMs: 60_000, count: 3 });
    expect(readFileSync(join(sysctls, "tcp_keepalive_time"), "utf8")).toBe("60\n");
    expect(store.read()).toMatchObject({ idleMs: 60_000, intervalMs: 75_000, count: 3 });
    for (const refused of [
      { idleMs: 30_000, count: 128 },
      { idleMs: 30_000, intervalMs: 1500 },
      { idleMs: 0 },
      { dataRetries: 1.5 },
    ]) {
      expect(() => store.write(refused)).toThrow(
        expect.objectContaining({ code: "ERR_OPTION_RANGE" }),
      );
    }
    expect(store.read()).toMatchObject({ idleMs: 60_000, count: 3 });
  });

  it("outlive a restart in one file of sysctl.d, where each change can be undone by itself", () => {
    const { store, persistent } = linuxWith(DEFAULTS);
    const path = join(persistent, "90-halfopen.conf");
    const undo = (command: string | null): unknown =>
      execFileSync("sh", ["-c", command ?? "false"]);
    const values = (): string[] => readFileSync(path, "utf8").split("\n").slice(1, -1);

    const first = store.persist({ idleMs: 60_000, dataRetries: 8 });
    const once = readFileSync(path, "utf8");
    const second = store.persist({ count: 3, idleMs: 30_000 });
    expect(values()).toEqual([
      "net.ipv4.tcp_keepalive_time = 30",
      "net.ipv4.tcp_retries2 = 8",
      "net.ipv4.tcp_keepalive_probes = 3",
    ]);
    undo(second);
    expect(readFileSync(path, "utf8")).toBe(once);
    undo(first);
    expect(existsSync(path)).toBe(false);
  });

  it("leave the lines of others in that file, and change the last of several values", () => {
    const { store, persistent } = linuxWith(DEFAULTS);
    const path = join(persistent, "90-halfopen.conf");
    const own =
      "# ours\nnet.ipv4.tcp_keepalive_time=50\nnet.ipv4.tcp_keepalive_time = 70\nnet.ipv4.tcp_fin_timeout = 30\n-net.core.x = $(false) 'a'\n";
    writeFileSync(path, own);
    const undo = store.persist({ idleMs: 20_000, intervalMs: 5000 });
    expect(readFileSync(path, "utf8")).toBe(
      `${own.replace("= 70", "= 20")}net.ipv4.tcp_keepalive_intvl = 5\n`,
    );
    expect(undo).not.toMatch(/false/);
    execFileSync("sh", ["-c", undo ?? "false"]);
    expect(readFileSync(path, "utf8")).toBe(own);
  });

  it("throw a HalfOpenError when they may not be written", () => {
    const store = linuxSettings("/proc/self/nothing-here", "/proc/self/nothing-here");
    expect(() => store.write({ count: 3 })).toThrow(
      expect.objectContaining({ code: expect.stringMatching(/ERR_PERMISSION|ERR_NOT_SUPPORTED/) }),
    );
    expect(existsSync("/proc/self/nothing-here")).toBe(false);
  });
});

describe("the Windows registry", () => {
  const KEY = "HKLM\\SYSTEM\\CurrentControlSet\\Services\\Tcpip\\Parameters";

  it("is read as reg.exe prints it; absent values have Windows' defaults, and the count is fixed", () => {
    const store = systemSettings("win32", (file, args) => {
      expect({ file, args: args.slice(0, 2) }).toEqual({ file: "reg", args: ["query", KEY] });
      if (args[3] === "KeepAliveTime")
        return `\r\n${KEY}\r\n    KeepAliveTime    REG_DWORD    0x493e0\r\n\r\n`;
      throw Object.assign(
        new Error("ERROR: The system was unable to find the specified registry key or value."),
        { status: 1 },
      );
    });
    expect(store.read()).toEqual({ idleMs: 300_000, intervalMs: 1000, count: 10, dataRetries: 5 });
    const without = systemSettings("win32", () => {
      throw Object.assign(new Error("spawnSync reg ENOENT"), { status: null });
    });
    expect(() => without.read()).toThrow(expect.objectContaining({ code: "ERR_NOT_SUPPORTED" }));
  });

  it("is written as DWORDs in ms, and refuses the count", () => {
    const calls: string[] = [];
    const store = systemSettings("win32", (_, args) => {
      calls.push(args.join(" "));
      return "The operation completed successfully.";
    });
    store.write({ idleMs: 60_000, dataRetries: 6 });
    expect(calls).toEqual([
      `add ${KEY} /v KeepAliveTime /t REG_DWORD /d 60000 /f`,
      `add ${KEY} /v TcpMaxDataRetransmissions /t REG_DWORD /d 6 /f`,
    ]);
    // The registry is persistent by itself. Deleting the value would also remove what an earlier
    // change had set.
    expect(store.persist({ idleMs: 60_000 })).toBe(null);
    expect(calls.length).toBe(2);
    expect(() => store.write({ count: 3 })).toThrow(
      expect.objectContaining({ code: "ERR_NOT_SUPPORTED" }),
    );
  });

  it("throws ERR_PERMISSION when it may not be written", () => {
    const store = systemSettings("win32", () => {
      throw new Error("ERROR: Access is denied.");
    });
    expect(() => store.write({ idleMs: 60_000 })).toThrow(
      expect.objectContaining({ code: "ERR_PERMISSION" }),
    );
  });
});

describe("the sysctls of macOS", () => {
  it("are in ms already", () => {
    const values: Record<string, string> = {
      "net.inet.tcp.keepidle": "7200000",
      "net.inet.tcp.keepintvl": "75000",
      "net.inet.tcp.keepcnt": "8",
    };
    const store = systemSettings("darwin", (_, [flag, name = ""]) => {
      if (flag === "-n") return `${values[name]}\n`;
      const [key = "", value = ""] = name.split("=");
      values[key] = value;
      return "";
    });
    expect(store.read()).toEqual({
      idleMs: 7_200_000,
      intervalMs: 75_000,
      count: 8,
      dataRetries: null,
    });
    store.write({ idleMs: 60_000 });
    expect(store.read().idleMs).toBe(60_000);
    expect(() => store.write({ dataRetries: 3 })).toThrow(
      expect.objectContaining({ code: "ERR_NOT_SUPPORTED" }),
    );
    expect(() => store.persist({ idleMs: 1 })).toThrow(
      expect.objectContaining({ code: "ERR_NOT_SUPPORTED" }),
    );
  });
});

it("refuses the settings of a system that halfopen does not know", () => {
  expect(() => systemSettings("aix", () => "")).toThrow(
    expect.objectContaining({ code: "ERR_NOT_SUPPORTED" }),
  );
});
