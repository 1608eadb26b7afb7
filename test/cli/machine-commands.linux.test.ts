import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { AuditedConnection } from "../../src/audit/audited-connection.ts";

const MAIN = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function halfopen(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Outcome> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [MAIN, ...args],
      { env: { ...process.env, ...env } },
      (error, stdout, stderr) => {
        resolve({ code: typeof error?.code === "number" ? error.code : 0, stdout, stderr });
      },
    );
  });
}

let server: Server;
let client: Socket;
let accepted: Socket;
let port: string;

beforeAll(async () => {
  server = createServer((socket) => {
    accepted = socket;
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  port = String(typeof address === "object" ? address?.port : 0);
  client = connect(Number(port), "127.0.0.1");
  await Promise.all([once(client, "connect"), once(server, "connection")]);
  // One end sends keepalive probes, the other does not.
  client.setKeepAlive(true, 20_000);
});

afterAll(() => {
  client.destroy();
  accepted.destroy();
  server.close();
});

async function audited(args: readonly string[]): Promise<AuditedConnection[]> {
  const { stdout } = await halfopen(["audit", "--json", ...args]);
  return (JSON.parse(stdout) as { connections: AuditedConnection[] }).connections;
}

describe("halfopen audit", () => {
  it("lists each connection with the fields of the contract", async () => {
    const connections = await audited(["--port", port]);
    expect(connections.length).toBe(2);
    const [never, asking] = connections;
    expect(never).toMatchObject({
      local: `127.0.0.1:${port}`,
      remote: `127.0.0.1:${client.localPort}`,
      state: "ESTABLISHED",
      pid: process.pid,
      keepalive: { enabled: false },
      userTimeoutMs: 0,
      unacked: 0,
      noticeMs: { idle: null },
      diagnosis: { state: "alive", cause: "quiet" },
    });
    expect(asking).toMatchObject({
      remote: `127.0.0.1:${port}`,
      keepalive: { enabled: true, idleMs: 20_000 },
      noticeMs: { idle: 30_000 },
    });
    expect(typeof asking?.process).toBe("string");
    expect(asking?.lastHeardMs).toBeGreaterThanOrEqual(0);
    expect(asking?.lastHeardMs).toBeLessThan(60_000);
    expect(asking?.noticeMs.inFlight).toBeGreaterThan(800_000);
  });

  it("chooses by pid, process, port, peer and state, all of which must match", async () => {
    const choice = ["--port", port];
    expect(
      (
        await audited([
          ...choice,
          "--pid",
          String(process.pid),
          "--peer",
          "127.0.0.0/8",
          "--state",
          "established",
        ])
      ).length,
    ).toBe(2);
    expect(await audited([...choice, "--pid", "1"])).toEqual([]);
    expect(await audited([...choice, "--process", "no-such-program"])).toEqual([]);
    expect(await audited([...choice, "--peer", "10.0.0.0/8"])).toEqual([]);
    expect(await audited([...choice, "--state", "close-wait,fin_wait2"])).toEqual([]);
    const [one] = await audited([...choice]);
    expect((await audited([...choice, "--process", one?.process ?? ""])).length).toBe(2);
  });

  it("exits with 1 when a connection would never notice and with 0 otherwise, and begins with that result", async () => {
    const both = await halfopen(["audit", "--port", port]);
    expect(both).toMatchObject({
      code: 1,
      stdout: expect.stringMatching(
        /^1 of 2 connections would never notice that an idle peer is gone\n/,
      ),
    });
    const none = await halfopen(["audit", "--port", port, "--state", "close_wait"]);
    expect(none).toMatchObject({ code: 0, stdout: "no connection matches\n" });
  });

  it("lists a connection that is never closed, with its state", async () => {
    const leaking = createServer({ allowHalfOpen: true }).listen(0, "127.0.0.1");
    await once(leaking, "listening");
    const { port: at } = leaking.address() as { port: number };
    const leaver = connect(at, "127.0.0.1");
    const [held] = (await once(leaking, "connection")) as [Socket];
    leaver.end();
    await once(held.resume(), "end");
    const found = await audited(["--port", String(at)]);
    expect(found.map(({ state }) => state).sort()).toEqual(["CLOSE_WAIT", "FIN_WAIT2"]);
    held.destroy();
    leaver.destroy();
    leaking.close();
  });

  it.each([
    [["--port", "70000"], /--port takes a whole number/],
    [["--pid", "x"], /--pid takes a whole number/],
    [["--peer", "300.1.1.1"], /no range of addresses/],
    [["--state", "establised"], /did you mean "established"/],
    [["--detect-within", "5"], /did you mean 5s/],
    [["--every", "1s"], /belongs to --watch/],
    [["--watch", "--every", "1ms"], /at least/],
    [["--nonsense"], /nonsense/],
  ])("refuses %j with exit code 2 and a hint", async (args, hint) => {
    const { code, stderr, stdout } = await halfopen(["audit", ...args]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toMatch(hint);
    expect(stderr).not.toMatch(/\n\s+at /);
  });

  it("exits with 3 and the reason when it has no access to the kernel", async () => {
    for (const command of [["audit"], ["explain", ":1"]]) {
      const { code, stderr } = await halfopen(command, { HALFOPEN_MASK: "ffi" });
      expect({ code, stderr }).toEqual({
        code: 3,
        stderr: expect.stringContaining("native back-end"),
      });
    }
  });

  it("ends without an error when its reader goes away", async () => {
    const child = spawn(
      process.execPath,
      [MAIN, "audit", "--watch", "--json", "--every", "200ms"],
      { stdio: ["ignore", "pipe", "pipe"] },
    );
    const complaints: string[] = [];
    child.stderr.on("data", (data) => complaints.push(String(data)));
    await once(child.stdout, "data");
    child.stdout.destroy();
    const [code] = await once(child, "exit");
    expect({ code, complaints }).toEqual({ code: 0, complaints: [] });
  });
});

describe("halfopen explain", () => {
  it("describes the owner of a connection, its future, and the settings to change", async () => {
    const { code, stdout } = await halfopen(["explain", `127.0.0.1:${port}`]);
    expect(code).toBe(1);
    for (const words of [
      "keepalive is off: no probe",
      "while it is idle it would never end",
      `pid ${process.pid}`,
      "detectWithinMs: 10000",
    ]) {
      expect(stdout).toContain(words);
    }
    const asking = await halfopen(["explain", `127.0.0.1:${client.localPort}`, "--all"]);
    expect(asking.code).toBe(0);
    for (const program of ["nginx", "HAProxy", "PostgreSQL", "Redis", "JVM", "Go", "system set"])
      expect(asking.stdout).toContain(program);
  });

  it("prints the connection and the advice as JSON", async () => {
    const { stdout } = await halfopen([
      "explain",
      `:${client.localPort}`,
      "--json",
      "--detect-within",
      "20s",
    ]);
    const { connection, advice } = JSON.parse(stdout) as {
      connection: AuditedConnection;
      advice: { lines: string[] }[];
    };
    expect(connection.local).toBe(`127.0.0.1:${client.localPort}`);
    expect(JSON.stringify(advice)).toContain("20000");
  });

  it.each([[[]], [["nonsense"]], [["1.2.3.4:99999"]], [["203.0.113.7:1"]], [["a:1", "b:2"]]])(
    "refuses %j with exit code 2",
    async (args) => {
      const { code, stderr } = await halfopen(["explain", ...args]);
      expect(code).toBe(2);
      expect(stderr).not.toMatch(/\n\s+at /);
    },
  );
});

describe("halfopen system", () => {
  it("reports the values, their effect, and the connections that depend on them", async () => {
    const { code, stdout } = await halfopen(["system", "--json"]);
    const report = JSON.parse(stdout) as {
      settings: { idleMs: number };
      noticeMs: { idle: number };
      dependents: { connections: number };
    };
    expect(code).toBe(0);
    expect(report.noticeMs.idle).toBeGreaterThan(report.settings.idleMs);
    expect(report.dependents.connections).toBeGreaterThanOrEqual(2);
    expect((await halfopen(["system"])).stdout).toContain("net.ipv4.tcp_keepalive_time");
  });

  it.each([
    ["no", "n\n"],
    ["nothing, since its input ends", "\u0004"],
  ])("on a terminal it changes nothing when the answer is %s", async (_, answer) => {
    // Opens a terminal and types the answer when the prompt appears. Prints the exit code and
    // everything that the terminal showed.
    const TERMINAL = `
import os, pty, sys
pid, fd = pty.fork()
if pid == 0: os.execvp(sys.argv[2], sys.argv[2:])
seen = b""
try:
  while True:
    seen += os.read(fd, 1024)
    if b"[y/N]" in seen and sys.argv[1]:
      os.write(fd, sys.argv[1].encode()); sys.argv[1] = ""
except OSError: pass
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), seen.decode())`;
    const before = await halfopen(["system", "--json"]);
    const told = await new Promise((resolve) => {
      execFile(
        "python3",
        ["-c", TERMINAL, answer, process.execPath, MAIN, "system", "set", "--idle", "61s"],
        (_error, stdout) => resolve(stdout),
      );
    });
    expect(told).toMatch(/^1 This changes every program/);
    expect(told).not.toMatch(/Error|\n\s+at /);
    const settings = (text: string) => (JSON.parse(text) as { settings: object }).settings;
    expect(settings((await halfopen(["system", "--json"])).stdout)).toEqual(
      settings(before.stdout),
    );
  });

  it.each([
    [["set"], /needs something to set/],
    [["set", "--idle", "60s"], /--yes/],
    [["set", "--idle", "60", "--yes"], /unit/],
    [["set", "--count", "three", "--yes"], /whole number/],
    [["set", "--count", "128", "--yes"], /1 to 127/],
    [["set", "--idle", "1500ms", "--yes"], /whole seconds/],
    [["sett"], /did you mean "set"/],
    [["--idle", "60s"], /belongs to halfopen system set/],
  ])("refuses %j with exit code 2 and changes nothing", async (args, hint) => {
    const before = await halfopen(["system", "--json"]);
    const { code, stderr } = await halfopen(["system", ...args]);
    expect(code).toBe(2);
    expect(stderr).toMatch(hint);
    const settings = (text: string) => (JSON.parse(text) as { settings: object }).settings;
    expect(settings((await halfopen(["system", "--json"])).stdout)).toEqual(
      settings(before.stdout),
    );
  });
});
