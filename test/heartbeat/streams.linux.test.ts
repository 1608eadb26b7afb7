import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect as connectHttp2, createServer as createHttp2Server } from "node:http2";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { wsconnect } from "@nats-io/transport-node";
import { Redis } from "ioredis";
import { connectAsync } from "mqtt";
import { afterEach, describe, expect, it } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import {
  type ClientWatch,
  watchIoredis,
  watchMqtt,
  watchMysql2,
  watchNats,
  watchPg,
  watchWs,
  watchWsServer,
} from "../../src/heartbeat/index.ts";
import { watch } from "../../src/index.ts";
import { LAB_CERTIFICATE, LAB_KEY } from "../../src/lab/certificate.ts";
import { describeWith } from "../setup/requires.ts";
import { freePort, RedisServer, within } from "./redis.ts";

const BUDGET_MS = 2500;
const GRACE_MS = 1500;

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** A stream over a socket that it hides, as tunnels of many packages are. */
class Tunnel extends Duplex {
  readonly #socket: Socket;

  constructor(socket: Socket) {
    super();
    this.#socket = socket;
    socket.on("data", (data) => {
      if (!this.push(data)) socket.pause();
    });
    socket.on("end", () => this.push(null)).on("error", (error) => this.destroy(error));
  }

  override _read(): void {
    this.#socket.resume();
  }

  override _write(chunk: Buffer, _: string, done: (error?: Error | null) => void): void {
    this.#socket.write(chunk, done);
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#socket.destroy();
    done(error);
  }
}

/** `configOf` gets the paths of a certificate and of its key. */
async function started(
  command: string,
  configOf: (certificate: string, key: string) => string,
  port: number,
): Promise<ChildProcess> {
  const folder = mkdtempSync(join(tmpdir(), "halfopen-stream-"));
  // A broker may run as a user of its own
  chmodSync(folder, 0o755);
  const write = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const path = write("config", configOf(write("cert", LAB_CERTIFICATE), write("key", LAB_KEY)));
  const process = spawn(command, ["-c", path], { stdio: "ignore" });
  closers.push(async () => {
    const gone = once(process, "exit");
    process.kill("SIGKILL");
    if (process.exitCode === null) await gone;
    rmSync(folder, { recursive: true });
  });
  await expect
    .poll(
      () =>
        new Promise((resolve) => {
          const socket = connect(port, "127.0.0.1");
          socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
          socket.once("connect", () => socket.destroy());
        }),
      { timeout: 10_000 },
    )
    .toBe(true);
  return process;
}

/** Expects that the stopped process is found, and nothing before. */
async function isFound(watching: ClientWatch, level: string, process: ChildProcess): Promise<void> {
  const events: string[] = [];
  for (const event of ["suspect", "dead", "close"] as const)
    watching.on(event, ({ cause }) => events.push(`${event} ${cause}`));
  await expect.poll(() => watching.current?.applied?.level).toBe(level);
  await sleep(2 * BUDGET_MS);
  expect(events).toEqual([]);
  process.kill("SIGSTOP");
  await expect.poll(() => events, { timeout: BUDGET_MS + GRACE_MS }).toContain("dead peer-hung");
}

describe("a stream that is no socket", () => {
  it("is watched by its heartbeat alone, which counts all that comes", async () => {
    const server = createServer((socket) => {
      socket.on("error", () => {});
      socket.on("data", (data) => {
        if (String(data) === "ping") socket.write("pong");
      });
      closers.push(() => socket.destroy());
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    closers.push(() => server.close());
    const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
    const stream = new Tunnel(socket);
    let isAnswering = true;
    const heartbeat = (): Promise<unknown> => {
      if (!isAnswering) return new Promise(() => {});
      stream.write("ping");
      return once(stream, "data");
    };
    const w = watch(stream.resume(), { detectWithinMs: BUDGET_MS, heartbeat });
    expect(w.applied).toMatchObject({ level: "heartbeat", keepalive: null });
    await expect.poll(() => w.rttMs).not.toBe(null);

    isAnswering = false;
    const talking = setInterval(() => stream.push("data"), 200);
    await sleep(2 * BUDGET_MS);
    expect(w.state).toBe("alive");
    clearInterval(talking);
    const failed = once(stream, "error");
    const [diagnosis] = await once(w, "dead");
    expect(diagnosis).toMatchObject({ cause: "peer-hung", certainty: "medium" });
    expect(diagnosis.unknown.join()).toMatch(/host and the path/);
    expect((await failed)[0]).toMatchObject({ code: "ERR_PEER_DEAD" });
    expect(stream.destroyed).toBe(true);
  });

  it("is left as it was by the end of the watch", async () => {
    const stream = new Duplex({ read() {}, write: (_, __, done) => done() });
    const before = Object.keys(stream);
    const w = watch(stream, { heartbeat: async () => {} });
    w.close();
    expect(Object.keys(stream)).toEqual(before);
    expect("setTimeout" in stream).toBe(false);
    expect(stream.listenerCount("close")).toBe(0);
  });
});

describe("what cannot be watched", () => {
  it("is told by an error where the options are wrong", () => {
    const begin = (): unknown => watchMqtt(mqttOver(new Duplex()), { askIdleForMs: 999 });
    expect(begin).toThrow(expect.objectContaining({ code: "ERR_OPTION_RANGE" }));
  });

  it.each([
    [
      "a stream whose host is to be judged",
      () => watchMqtt(mqttOver(new Duplex()), { expect: "host" }),
    ],
    [
      "a connection that shows no socket",
      () => watchNats({ status: async function* () {} } as never),
    ],
    ["a client of pg-native", () => watchPg({ query: async () => {}, on() {} })],
    ["a mysql2 connection of the promise kind", () => watchMysql2({ ping() {} })],
  ])("is told on the next tick: %s", async (_, begin) => {
    const watching = begin();
    const [error] = await once(watching, "unwatched", { signal: AbortSignal.timeout(1000) });
    expect(error).toMatchObject({ code: "ERR_NOT_SUPPORTED" });
    expect(watching.current).toBeNull();
  });
});

function mqttOver(stream: Duplex): Parameters<typeof watchMqtt>[0] {
  return { connected: true, stream, sendPing() {}, on() {}, off() {} };
}

await describeWith(["redis-server"], "a client over a Unix-domain socket", () => {
  it("is watched by its heartbeat alone", async () => {
    const folder = mkdtempSync(join(tmpdir(), "halfopen-unix-"));
    const path = join(folder, "redis.sock");
    const server = spawn("redis-server", ["--port", "0", "--unixsocket", path, "--save", ""], {
      stdio: "ignore",
    });
    closers.push(() => {
      server.kill("SIGKILL");
      rmSync(folder, { recursive: true });
    });
    const redis = new Redis({ path, retryStrategy: () => 50, maxRetriesPerRequest: null });
    redis.on("error", () => {});
    closers.push(() => redis.disconnect());
    await redis.ping();
    using watching = watchIoredis(redis, { detectWithinMs: BUDGET_MS });
    await isFound(watching, "heartbeat", server);
  });
});

await describeWith(["redis-server"], "the socket beneath a stream", () => {
  it("that others share is watched for its host, and a hung process ends its own stream only", async () => {
    await using redis = await RedisServer.start();
    await using other = await RedisServer.start();
    const proxy = createHttp2Server().listen(0, "127.0.0.1");
    proxy.on("stream", (stream, headers) => {
      const [, port] = String(headers[":authority"]).split(":");
      const upstream = connect(Number(port), "127.0.0.1");
      stream.respond({ ":status": 200 });
      stream.on("error", () => {}).on("close", () => upstream.destroy());
      upstream
        .on("error", () => {})
        .pipe(stream)
        .pipe(upstream);
    });
    await once(proxy, "listening");
    const session = connectHttp2(`http://127.0.0.1:${(proxy.address() as AddressInfo).port}`);
    await once(session, "connect");
    closers.push(
      () => proxy.close(),
      () => session.destroy(),
    );

    const clients = [redis, other].map(({ port }) => {
      const client = new Redis({
        retryStrategy: () => null,
        // Members of a socket that this stream has not
        noDelay: false,
        keepAlive: false as never,
        maxRetriesPerRequest: 0,
        Connector: class {
          connecting = false;
          async connect() {
            return session.request({ ":method": "CONNECT", ":authority": `127.0.0.1:${port}` });
          }
          check = () => true;
          disconnect() {}
        } as never,
      });
      client.on("error", () => {});
      const watching = watchIoredis(client, { detectWithinMs: BUDGET_MS });
      closers.push(() => watching.close());
      return { client, watching };
    });
    await Promise.all(clients.map(({ client }) => client.ping()));
    const [hung, lively] = clients.map(({ watching }) => watching);
    expect(hung?.currents.map(({ applied }) => applied?.level)).toEqual(["kernel", "heartbeat"]);
    const died = once(hung as ClientWatch, "dead");
    redis.process.kill("SIGSTOP");
    expect((await died)[0]).toMatchObject({ cause: "peer-hung" });
    await expect.poll(() => hung?.currents).toEqual([]);
    expect(session.destroyed).toBe(false);
    expect(await clients[1]?.client.ping()).toBe("PONG");
    expect(lively?.currents.map(({ state }) => state)).toEqual(["alive", "alive"]);
  });
});

it("a server's WebSockets that are there already are watched from then on", async () => {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  await once(server, "listening");
  const ws = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`);
  ws.on("error", () => {});
  await Promise.all([once(ws, "open"), once(server, "connection")]);
  using watching = watchWsServer(server);
  expect(watching.currents.map(({ applied }) => applied?.level)).toEqual(["kernel"]);
  ws.terminate();
  server.close();
});

describe("a WebSocket over a stream", () => {
  it("is watched by its pings", async () => {
    const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const ws = new WebSocket(`ws://127.0.0.1:${port}`, {
      createConnection: () => new Tunnel(connect(port, "127.0.0.1")) as never,
    });
    ws.on("error", () => {});
    closers.push(
      () => server.close(),
      () => ws.terminate(),
    );
    let answers = 0;
    server.on("connection", (accepted) =>
      accepted.on("ping", () => {
        if (++answers === 2) Object.assign(accepted, { _autoPong: false });
      }),
    );
    using watching = watchWs(ws, { detectWithinMs: BUDGET_MS });
    await once(ws, "open");
    await expect.poll(() => watching.current?.applied?.level).toBe("heartbeat");
    expect((await once(watching, "dead"))[0]).toMatchObject({ cause: "peer-hung" });
    expect(answers).toBeGreaterThanOrEqual(2);
  });
});

await describeWith(["mosquitto"], "mqtt over WebSockets", () => {
  const broker = async (isTls = false): Promise<{ port: number; process: ChildProcess }> => {
    const [plain, port] = [await freePort(), await freePort()];
    const configOf = (certificate: string, key: string): string =>
      [
        // 2.0.11 does not start with listeners for WebSockets alone
        `listener ${plain} 127.0.0.1`,
        `listener ${port}`,
        "protocol websockets",
        "allow_anonymous true",
        ...(isTls ? [`certfile ${certificate}`, `keyfile ${key}`] : []),
      ].join("\n");
    return { port, process: await started("mosquitto", configOf, port) };
  };
  const options = { reconnectPeriod: 0, keepalive: 0, rejectUnauthorized: false };
  /** Node reports the sockets of `tls.connect` since 22. */
  const reportsTls = Number(process.versions.node.split(".")[0]) >= 22;

  it("is watched by the heartbeat alone where the socket was opened before the watch", async () => {
    const { port, process } = await broker();
    const client = await connectAsync(`ws://127.0.0.1:${port}`, options);
    client.on("error", () => {});
    using watching = watchMqtt(client, { detectWithinMs: BUDGET_MS });
    await isFound(watching, "heartbeat", process);
  });

  it.each([
    ["ws", "kernel"],
    ["wss", reportsTls ? "kernel" : "heartbeat"],
  ])(
    "is watched by the kernel too where the watch came first: over %s by %s",
    async (scheme, level) => {
      const { port, process } = await broker(scheme === "wss");
      const { connect: connectMqtt } = await import("mqtt");
      const url = `${scheme}://127.0.0.1:${port}`;
      const client = connectMqtt(url, { ...options, manualConnect: true });
      client.on("error", () => {});
      using watching = watchMqtt(client, { detectWithinMs: BUDGET_MS });
      const connected = new Promise((resolve) => client.once("connect", resolve));
      client.connect();
      await connected;
      await isFound(watching, level, process);
    },
  );
});

await describeWith(["nats-server"], "nats over WebSockets", () => {
  it.each([
    ["ws", "the package ws", "kernel"],
    ["wss", "the package ws", "kernel"],
    ["ws", "one that hides its socket", "heartbeat"],
  ])("is watched, over %s by %s", async (scheme, kind, level) => {
    const [port, wsPort] = [await freePort(), await freePort()];
    const isTls = scheme === "wss";
    const configOf = (certificate: string, key: string): string => {
      const tls = isTls
        ? `tls { cert_file: "${certificate}", key_file: "${key}" }`
        : "no_tls: true";
      return `listen: "127.0.0.1:${port}"\nwebsocket { listen: "127.0.0.1:${wsPort}", ${tls} }\n`;
    };
    const process = await started("nats-server", configOf, wsPort);
    const connection = await wsconnect({
      servers: `${scheme}://127.0.0.1:${wsPort}`,
      reconnect: false,
      wsFactory: async (url: string) => {
        const ws = new WebSocket(url, { rejectUnauthorized: false });
        const socket = kind === "the package ws" ? ws : hidden(ws);
        return { socket: socket as never, encrypted: isTls };
      },
    } as never);
    using watching = watchNats(connection, { detectWithinMs: BUDGET_MS });
    await isFound(watching, level, process);
    // The client itself learns it, without the consent of a peer that is hung
    expect(
      await within(
        1000,
        connection.closed().then(() => "closed"),
      ),
    ).toBe("closed");
  });
});

/** A WebSocket that shows what Node's global one does. */
function hidden(ws: WebSocket): object {
  return new Proxy(ws, {
    get: (_, name) => {
      if (name === "_socket") return undefined;
      const value = Reflect.get(ws, name);
      return typeof value === "function" ? value.bind(ws) : value;
    },
    set: (_, name, value) => Reflect.set(ws, name, value),
    has: (_, name) => name !== "_socket" && name in ws,
  });
}
