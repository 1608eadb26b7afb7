import { once } from "node:events";
import { createServer as createHttp2Server, connect as http2Connect } from "node:http2";
import { type AddressInfo, createServer, Socket } from "node:net";
import { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { connect as connectTls, TLSSocket } from "node:tls";
import { afterEach, describe, expect, it } from "vitest";
import { type DeadPeerError, getKeepalive, watch, watchServer } from "../../src/index.ts";
import { LAB_CERTIFICATE, LAB_KEY } from "../../src/lab/certificate.ts";
import { groups } from "../../src/watch/membership.ts";
import { connectionOf } from "../../src/watch/socket-events.ts";
import { loopbackPair, type Pair } from "./loopback.ts";

const SERVER = { isServer: true, key: LAB_KEY, cert: LAB_CERTIFICATE };

let pair: Pair | undefined;
afterEach(async () => {
  await pair?.dispose();
  pair = undefined;
  for (let tries = 0; groups.size > 0 && tries < 100; tries++) await sleep(10);
  expect(groups.size).toBe(0); // no record outlives its socket
});

function secured(client: Socket, accepted: Socket): { upper: TLSSocket; far: TLSSocket } {
  const far = new TLSSocket(accepted, SERVER).on("error", () => {});
  const upper = connectTls({ socket: client, rejectUnauthorized: false }).on("error", () => {});
  return { upper, far };
}

async function withTls(): Promise<{ raw: Socket; upper: TLSSocket; far: TLSSocket }> {
  pair = await loopbackPair();
  const { client, accepted } = pair;
  const { upper, far } = secured(client, accepted);
  await once(upper, "secureConnect");
  return { raw: client, upper, far };
}

describe("a socket and the TLSSocket over it have one record:", () => {
  it.each([
    ["the raw one first", true],
    ["the TLSSocket first", false],
  ])("watches of both join and end, %s", async (_, isRawFirst) => {
    const { raw, upper } = await withTls();
    const before = getKeepalive(raw);
    const [first, second] = isRawFirst ? [raw, upper] : [upper, raw];
    const long = watch(first, { detectWithinMs: 300_000, onDead: "report", label: "long" });
    const patience = long.applied?.detectWithinMs;
    const short = watch(second, { detectWithinMs: 2500, label: "short" });
    expect(connectionOf(raw)).toBe(connectionOf(upper));
    expect(short.applied?.detectWithinMs.inFlight).toBeLessThan(5000);
    expect([long.applied, long.diagnosis.label]).toEqual([short.applied, "long"]);
    short.close();
    expect(long.applied?.detectWithinMs).toEqual(patience);
    expect(patience?.inFlight).toBeGreaterThan(100_000);
    long.close();
    expect(getKeepalive(raw)).toEqual(before);
    expect([connectionOf(raw), connectionOf(upper)]).toEqual([undefined, undefined]);
    for (const socket of [raw, upper]) expect(socket.emit).toBe(Object.getPrototypeOf(socket).emit);
  });

  it("the end is told once to each watch, with the error of the TLSSocket", async () => {
    const { raw, upper } = await withTls();
    const watches = [watch(raw), watch(upper)];
    const told: string[] = [];
    for (const w of watches) w.on("close", ({ cause }) => told.push(cause));
    upper.destroy();
    await once(upper, "close");
    expect(told).toEqual(["closed-locally", "closed-locally"]);
  });

  it("a dead peer ends the TLSSocket, also if the raw one was watched and stripped of listeners", async () => {
    const { raw, upper } = await withTls();
    const heartbeat = () => new Promise(() => {});
    const w = watch(raw, { detectWithinMs: 2500, heartbeat, expect: "process" });
    watch(upper, { detectWithinMs: 60_000 });
    raw.removeAllListeners();
    const [error] = (await once(upper, "error")) as [DeadPeerError];
    expect([error.code, error.diagnosis.cause]).toEqual(["ERR_PEER_DEAD", "peer-hung"]);
    expect(raw.errored).toBe(null);
    expect(w.state).toBe("dead");
  });

  it("a watch of an accepted socket stays the server's when the program goes over to TLS", async () => {
    const server = createServer();
    const w = watchServer(server, { detectWithinMs: 5000, heartbeat: () => undefined });
    pair = await loopbackPair({ server });
    const { client, accepted } = pair;
    const told: unknown[] = [];
    w.on("close", (_, socket) => told.push(socket));
    const { upper, far } = secured(client, accepted);
    await once(upper, "secureConnect");
    const joined = watch(far);
    expect([...w].map(({ socket }) => socket)).toEqual([accepted]);
    joined.close();
    far.destroy();
    await once(far, "close");
    expect([told, w.size]).toEqual([[accepted], 0]);
    w.close();
  });

  it("over a socket that is connecting", async () => {
    pair = await loopbackPair();
    const { server } = pair;
    server.on("connection", (socket) => new TLSSocket(socket, SERVER).on("error", () => {}));
    const raw = new Socket().connect((server.address() as AddressInfo).port, "127.0.0.1");
    const first = watch(raw, { detectWithinMs: 5000 });
    const upper = connectTls({ socket: raw, rejectUnauthorized: false }).on("error", () => {});
    const second = watch(upper, { detectWithinMs: 5000 });
    await once(upper, "secureConnect");
    expect(connectionOf(raw)).toBe(connectionOf(upper));
    expect([first.applied?.level, second.applied?.level]).toEqual(["kernel", "kernel"]);
    upper.destroy();
    await once(upper, "close");
  });

  it("over one whose connect comes later: Node reads it as a stream, and the raw one is watched", async () => {
    pair = await loopbackPair();
    const { server } = pair;
    server.on("connection", (socket) => new TLSSocket(socket, SERVER).on("error", () => {}));
    const raw = new Socket();
    const upper = connectTls({ socket: raw, rejectUnauthorized: false }).on("error", () => {});
    const w = watch(upper, { detectWithinMs: 5000 });
    raw.connect((server.address() as AddressInfo).port, "127.0.0.1");
    await once(upper, "secureConnect");
    expect(w.applied?.level).toBe("kernel");
    expect(connectionOf(upper)).toBe(connectionOf(raw));
    raw.destroy();
    await once(w, "close");
  });

  it("TLS in TLS, as through an HTTPS proxy", async () => {
    const { raw, upper, far } = await withTls();
    const outermost = secured(upper, far).upper;
    const watches = [raw, outermost, upper].map((socket) => watch(socket));
    expect(new Set([raw, upper, outermost].map(connectionOf)).size).toBe(1);
    outermost.destroy();
    await Promise.all(watches.map((w) => once(w, "close")));
  });

  it("the socket of an http2 session", async () => {
    pair = await loopbackPair({ server: createHttp2Server() as never });
    const session = http2Connect("http://x", { createConnection: () => pair?.client as Socket });
    session.on("error", () => {});
    const watches = [watch(pair.client), watch(session.socket as Socket)];
    expect(groups.size).toBe(1);
    expect(watches[0]?.applied).toEqual(watches[1]?.applied);
    session.destroy();
    await Promise.all(watches.map((w) => once(w, "close")));
  });

  it("TLS over another stream has no descriptor, and is refused", async () => {
    const stream = new Duplex({ read() {}, write: (_, __, done) => done() });
    const upper = connectTls({ socket: stream as Socket }).on("error", () => {});
    expect(() => watch(upper)).toThrow(expect.objectContaining({ code: "ERR_NOT_SUPPORTED" }));
    upper.destroy();
  });
});
