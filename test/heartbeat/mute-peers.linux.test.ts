import { once } from "node:events";
import { connect as connectHttp2 } from "node:http2";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { connect as connectMqtt } from "mqtt";
import { afterAll, describe, expect, it } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import {
  type ClientWatch,
  watchHttp2,
  watchMqtt,
  watchWs,
  watchWsServer,
} from "../../src/heartbeat/index.ts";
import { watch } from "../../src/index.ts";
import { loopbackPair } from "../watch/loopback.ts";

const BUDGET_MS = 2500;
const GRACE_MS = 1500;
/** Until an early heartbeat has gone unanswered for a budget, and some more. */
const MUTE_MS = BUDGET_MS + 1000;

const closers: (() => unknown)[] = [];
afterAll(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** A server of raw connections, each of which `serve` answers. */
async function rawServer(serve: (socket: Socket) => void): Promise<number> {
  const sockets: Socket[] = [];
  const server: Server = createServer((socket) => {
    sockets.push(socket.on("error", () => {}));
    serve(socket);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  closers.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

async function webSocketPair(autoPong: boolean): Promise<{
  server: WebSocketServer;
  client: WebSocket;
}> {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  await once(server, "listening");
  const client = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`, {
    autoPong,
  });
  client.on("error", () => {});
  closers.push(
    () => server.close(),
    () => client.terminate(),
  );
  return { server, client };
}

function eventsOf(watch: ClientWatch): string[] {
  const events: string[] = [];
  for (const event of ["suspect", "dead", "close"] as const)
    watch.on(event, ({ cause }) => events.push(`${event} ${cause}`));
  return events;
}

/** Expects that the peer lives, and that the watch says what it does not know. */
function isToldMute(watch: ClientWatch, events: readonly string[]): void {
  expect(events).toEqual([]);
  expect(watch.current?.diagnosis).toMatchObject({ state: "alive", cause: "healthy" });
  expect(watch.current?.diagnosis.unknown.join()).toMatch(/it never answered a heartbeat/);
  expect(watch.current?.diagnosis.unknown.join()).not.toMatch(/a heartbeat would tell/);
  expect(watch.current?.applied?.notes.join()).toMatch(/answered no heartbeat/);
}

describe("a peer that never answers a heartbeat is judged by its host, and is told", () => {
  it.concurrent("a raw WebSocket client that ignores pings", async () => {
    const { server, client } = await webSocketPair(false);
    using accepted = watchWsServer(server, { detectWithinMs: BUDGET_MS });
    const events = eventsOf(accepted);
    let pings = 0;
    client.on("ping", () => pings++);
    await once(client, "open");
    await sleep(MUTE_MS);
    expect(pings).toBe(1);
    isToldMute(accepted, events);
    // Its host is watched as ever
    const closed = once(accepted, "close");
    client.terminate();
    expect((await closed)[0]).toMatchObject({ cause: "closed-by-peer" });
  });

  it.concurrent("an HTTP/2 server that acknowledges no SETTINGS but the first", async () => {
    const SETTINGS = Buffer.from("000000040000000000", "hex");
    const ACKNOWLEDGED = Buffer.from("000000040100000000", "hex");
    const port = await rawServer((socket) => {
      socket.write(SETTINGS);
      socket.once("data", () => socket.write(ACKNOWLEDGED)).resume();
    });
    const session = connectHttp2(`http://127.0.0.1:${port}`);
    session.on("error", () => {});
    closers.push(() => session.destroy());
    using watching = watchHttp2(session, { detectWithinMs: BUDGET_MS });
    const events = eventsOf(watching);
    await sleep(MUTE_MS);
    isToldMute(watching, events);
  });

  it.concurrent("an MQTT broker that ignores PINGREQ", async () => {
    const port = await rawServer((socket) => {
      socket.once("data", () => socket.write(Buffer.from("20020000", "hex"))).resume();
    });
    const client = connectMqtt(`mqtt://127.0.0.1:${port}`, { keepalive: 0 });
    client.on("error", () => {});
    closers.push(() => client.endAsync(true));
    using watching = watchMqtt(client, { detectWithinMs: BUDGET_MS });
    const events = eventsOf(watching);
    await sleep(MUTE_MS);
    isToldMute(watching, events);
  });

  it.concurrent("a peer of a protocol of one's own, also with a rejection each time", async () => {
    await using pair = await loopbackPair();
    let calls = 0;
    const heartbeat = (): Promise<never> => {
      calls++;
      return Promise.reject(new Error("no such message"));
    };
    const w = watch(pair.client.resume(), { detectWithinMs: BUDGET_MS, heartbeat });
    await sleep(2 * BUDGET_MS);
    expect(w.state).toBe("alive");
    expect(w.diagnosis.why.join()).toContain("no such message");
    // After 0.25 s, 0.5, 1.0, 2.0, 3.0 and 4.0: ever more rarely
    expect(calls).toBeLessThan(8);
    w.close();
  });
});

describe("a peer that answered a heartbeat", () => {
  it.concurrent("and then stops is hung", async () => {
    const { client, server } = await webSocketPair(true);
    using accepted = watchWsServer(server, { detectWithinMs: BUDGET_MS });
    let pings = 0;
    client.on("ping", () => {
      if (++pings === 2) Object.assign(client, { _autoPong: false });
    });
    const [{ cause }] = await once(accepted, "dead", {
      signal: AbortSignal.timeout(3 * BUDGET_MS),
    });
    expect(cause).toBe("peer-hung");
  });

  it.concurrent("is not needed where `expect: process` says that it must answer", async () => {
    const { server, client } = await webSocketPair(true);
    server.on("connection", (ws) => Object.assign(ws, { _autoPong: false }));
    using watching = watchWs(client, { detectWithinMs: BUDGET_MS, expect: "process" });
    await once(client, "open");
    const openedAt = performance.now();
    const [{ cause }] = await once(watching, "dead");
    expect(cause).toBe("peer-hung");
    expect(performance.now() - openedAt).toBeLessThan(BUDGET_MS + GRACE_MS);
  });
});
