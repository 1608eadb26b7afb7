import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer, type Server, Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ClientWatch, watchNodeRedis } from "../../src/heartbeat/index.ts";
import { HalfOpenError, watch, watchServer } from "../../src/index.ts";
import { openPort } from "../../src/kernel/port/open-port.ts";
import type { SystemPort } from "../../src/kernel/port/port.ts";
import { engine } from "../../src/watch/engine.ts";
import { groups } from "../../src/watch/membership.ts";
import { connectionOf } from "../../src/watch/socket-events.ts";
import { loopbackPair, type Pair } from "./loopback.ts";

let pair: Pair | undefined;
let folder = "";
let server: Server | undefined;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "halfopen-"));
});
afterEach(async () => {
  vi.restoreAllMocks();
  await pair?.dispose();
  server?.close();
  [pair, server] = [undefined, undefined];
  rmSync(folder, { recursive: true });
});

const notSupported = expect.objectContaining({ code: "ERR_NOT_SUPPORTED" });

async function unixServer(): Promise<string> {
  const path = join(folder, "s");
  server = createServer((socket) => socket.on("error", () => {}).resume()).listen(path);
  await once(server, "listening");
  return path;
}

describe("a Unix-domain socket", () => {
  it("is refused at the call, even while it connects", async () => {
    const client = connect(await unixServer());
    expect(() => watch(client)).toThrow(notSupported);
    await once(client, "connect");
    expect(() => watch(client)).toThrow(notSupported);
    expect(connectionOf(client)).toBe(undefined);
    client.destroy();
  });

  it("that could not be recognised before is reported as unwatched once connected, and left as it is", async () => {
    const client = new Socket();
    const w = watch(client);
    const { signal } = w;
    const told: string[] = [];
    w.on("close", () => told.push("close"));
    const iterated = (async () => {
      for await (const _ of w) told.push("state");
    })();
    client.connect(await unixServer());
    const [error] = (await once(w, "unwatched")) as [HalfOpenError];
    expect(error).toEqual(notSupported);
    await iterated;
    expect({ before: signal.reason, after: w.signal.reason }).toEqual({
      before: error,
      after: error,
    });
    expect(connectionOf(client)).toBeUndefined();
    await new Promise<void>((resolve) => client.write("it works", () => resolve()));
    client.destroy();
    await once(client, "close");
    expect(told).toEqual([]);
  });

  it("of a server is reported as unwatched", async () => {
    const path = join(folder, "s");
    server = createServer((socket) => socket.resume());
    const w = watchServer(server);
    const refusing = once(w, "unwatched");
    server.listen(path);
    const client = connect(path);
    expect((await refusing)[0]).toEqual(notSupported);
    expect(w.size).toBe(0);
    client.destroy();
  });

  it("of a client that keeps its socket private is reported as unwatched, unless a heartbeat decides", async () => {
    const path = await unixServer();
    const newClient = () => ({
      isOpen: false,
      isReady: false,
      socket: null as Socket | null,
      ping: async () => {},
      emit: () => true,
      async connect() {
        this.socket = connect(path);
        await once(this.socket, "connect");
      },
    });
    const client = newClient();
    const hostOnly = watchNodeRedis(client, { expect: "host" });
    const refusing = once(hostOnly, "unwatched");
    await client.connect();
    const [error, stream] = await refusing;
    expect(error).toEqual(notSupported);
    expect(stream).toBe(client.socket);
    expect(hostOnly.current).toBe(null);

    const other = newClient();
    using byHeartbeat = watchNodeRedis(other);
    await other.connect();
    expect(byHeartbeat.current?.applied?.level).toBe("heartbeat");
    for (const { socket } of [client, other]) socket?.destroy();
  });
});

describe("a Multipath TCP socket", () => {
  it("is refused by name, every time, and leaves nothing behind", async () => {
    const program = `
import os, socket, subprocess, sys
try: listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)
except OSError: print('["none here"]'); sys.exit()
listening.bind(("127.0.0.1", 0)); listening.listen()
client = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262); client.connect(listening.getsockname())
accepted, _ = listening.accept(); fd = accepted.fileno()
subprocess.run([sys.argv[1], "--input-type=module", "-e", sys.argv[2], str(fd)], pass_fds=[fd])`;
    const index = new URL("../../dist/index.js", import.meta.url).href;
    const inside = `
import { Socket } from "node:net"; import { watch } from ${JSON.stringify(index)};
const socket = new Socket({ fd: Number(process.argv[1]) }); const told = [];
for (let i = 0; i < 2; i++) try { watch(socket); told.push("watched"); } catch (error) { told.push(error.code + " " + error.message); }
console.log(JSON.stringify([...told, socket.listenerCount("close")])); process.exit();`;
    const parent = spawn("python3", ["-c", program, process.execPath, inside], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const text = await parent.stdout.toArray();
    const told = JSON.parse(Buffer.concat(text).toString()) as unknown[];
    if (told[0] === "none here") return; // a kernel without CONFIG_MPTCP
    const refusal = expect.stringMatching(/^ERR_NOT_SUPPORTED this is a Multipath TCP socket/);
    expect(told).toEqual([refusal, refusal, 0]);
  });
});

/** From now on the kernel refuses an option of level IPPROTO_TCP. */
function refuse(option: number): void {
  const port = openPort() as SystemPort;
  const { setsockopt } = port;
  vi.spyOn(port, "setsockopt").mockImplementation((fd, level, which, value) =>
    level === 6 && which === option ? -1 : setsockopt(fd, level, which, value),
  );
}

const [TCP_KEEPCNT, TCP_RTO_MAX_MS] = [6, 44];

describe("a kernel or a sandbox that refuses", () => {
  it.each([TCP_KEEPCNT, TCP_RTO_MAX_MS])(
    "option %i leaves the lower level, and `applied` says why",
    async (option) => {
      pair = await loopbackPair();
      refuse(option);
      for (const start of ["connected", "connecting"]) {
        const socket =
          start === "connected" ? pair.client : connect(pair.server.address() as never);
        const w = watch(socket, { detectWithinMs: 5000 });
        if (socket.connecting) await once(socket, "connect");
        expect(["keepalive", "core"]).toContain(w.applied?.level);
        expect(w.applied?.notes[0]).toContain("could not be set");
        expect(w.state).toBe("alive");
        w.close();
        socket.destroy();
      }
      expect(groups.size).toBe(0);
    },
  );

  it("a detector whose second make() throws ends the watch, not the program", async () => {
    pair = await loopbackPair();
    const { port } = pair.server.address() as { port: number };
    let made = 0;
    const make = () => {
      if (made++ > 0) throw new Error("no more of them");
      return { heard() {}, stalled() {}, nextDeadline: () => 1e9, verdict: () => "alive" };
    };
    const socket = connect(port, "127.0.0.1");
    const w = watch(socket, {
      heartbeat: () => {},
      detector: { intervalMs: 100, make: make as never },
    });
    const [error] = (await once(w, "unwatched")) as [HalfOpenError];
    expect(error).toMatchObject({
      code: "ERR_NOT_SUPPORTED",
      cause: { message: "no more of them" },
    });
    made = 0;
    for (let i = 0; i < 2; i++)
      expect(() =>
        watch(socket, { heartbeat: () => {}, detector: { intervalMs: 100, make: make as never } }),
      ).toThrow("no more");
    expect({ connection: connectionOf(socket), groups: groups.size }).toEqual({
      connection: undefined,
      groups: 0,
    });
    socket.destroy();
  });

  it("every check causes one warning, and ends the watches with an event", async () => {
    pair = await loopbackPair();
    const other = await loopbackPair();
    const watches = [
      watch(pair.client, { detectWithinMs: 2500 }),
      watch(other.client, { detectWithinMs: 2500 }),
    ];
    const warnings: string[] = [];
    const onWarning = (warning: Error & { code?: string }): void =>
      void warnings.push(warning.code ?? "");
    process.on("warning", onWarning);
    const unwatched = Promise.all(watches.map((w) => once(w, "unwatched"))) as Promise<
      [HalfOpenError][]
    >;
    vi.spyOn(openPort() as SystemPort, "getsockopt").mockImplementation(() => {
      throw new HalfOpenError("ERR_SOCKET_OPTION", "TCP_INFO of descriptor 77 could not be read");
    });
    expect((await unwatched).map(([{ code }]) => code)).toEqual([
      "ERR_SOCKET_OPTION",
      "ERR_SOCKET_OPTION",
    ]);
    process.off("warning", onWarning);
    expect(warnings).toEqual(["HALFOPEN_CHECK_FAILED"]);
    expect({ checked: engine.size, groups: groups.size }).toEqual({ checked: 0, groups: 0 });
    await other.dispose();
  });
});

describe("the watch of a client", () => {
  function follower() {
    let isFollowing = true;
    const w = (signal?: AbortSignal) =>
      new ClientWatch(
        (onSocket) => {
          onSocket((pair as Pair).client, () => undefined);
          return () => {
            isFollowing = false;
          };
        },
        { signal },
      );
    return { w, isFollowing: () => isFollowing };
  }

  it("leaves no listener on its signal", async () => {
    pair = await loopbackPair();
    const abort = new AbortController();
    const added = vi.spyOn(abort.signal, "addEventListener");
    const removed = vi.spyOn(abort.signal, "removeEventListener");
    for (let i = 0; i < 3; i++) follower().w(abort.signal).close();
    expect({ added: added.mock.calls.length, removed: removed.mock.calls.length }).toEqual({
      added: 3,
      removed: 3,
    });
    const { w, isFollowing } = follower();
    const last = w(abort.signal);
    expect(last.current).not.toBe(null);
    abort.abort();
    expect({ current: last.current, isFollowing: isFollowing() }).toEqual({
      current: null,
      isFollowing: false,
    });
    expect(connectionOf(pair.client)).toBeUndefined();
  });

  it("watches nothing when its signal is already aborted", async () => {
    pair = await loopbackPair();
    expect(follower().w(AbortSignal.abort()).current).toBe(null);
    expect(connectionOf(pair.client)).toBe(undefined);
  });
});
