import { once } from "node:events";
import { createServer as createHttpServer, request } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { Writable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { connect as connectTls, createServer as createTlsServer } from "node:tls";
import { afterEach, describe, expect, it, vi } from "vitest";
import { type DeadPeerError, type Diagnosis, type Watcher, watch } from "../../src/index.ts";
import { disconnect } from "../../src/kernel/options/disconnect.ts";
import { openPort } from "../../src/kernel/port/open-port.ts";
import type { SystemPort } from "../../src/kernel/port/port.ts";
import { descriptorOf } from "../../src/kernel/process/descriptor.ts";
import { LAB_CERTIFICATE, LAB_KEY } from "../../src/lab/certificate.ts";
import { loopbackPair, type Pair } from "./loopback.ts";

let pair: Pair | undefined;
afterEach(async () => {
  await pair?.dispose();
  pair = undefined;
});

const BUDGET_MS = 2500;
/** A tenth of the budget, the grace of the event loop, and what a busy machine adds. */
const TOLD_WITHIN_MS = BUDGET_MS / 10 + 20 + 150;

async function deathOf(
  w: Watcher,
): Promise<{ readonly diagnosis: Diagnosis; readonly afterMs: number }> {
  const from = performance.now();
  const [diagnosis] = (await once(w, "dead", { signal: AbortSignal.timeout(10_000) })) as [
    Diagnosis,
  ];
  return { diagnosis, afterMs: performance.now() - from };
}

/** The peer's end was read: from then on the event loop polls for nothing. */
async function halfClosedPair(): Promise<Pair> {
  const made = await loopbackPair({ allowHalfOpen: true });
  made.accepted.resume();
  const ends = once(made.accepted, "end");
  made.client.end();
  await ends;
  return made;
}

describe("a connection that the kernel has ended is reported although the event loop does not report it:", () => {
  it("half-closed, then reset", async () => {
    pair = await halfClosedPair();
    const w = watch(pair.accepted, { detectWithinMs: BUDGET_MS });
    const errors = once(pair.accepted, "error");
    await sleep(300);
    const dying = deathOf(w);
    pair.client.resetAndDestroy();
    const { diagnosis, afterMs } = await dying;
    expect(diagnosis).toMatchObject({ cause: "peer-reset", state: "dead" });
    expect(afterMs).toBeLessThan(TOLD_WITHIN_MS);
    expect(((await errors) as [DeadPeerError])[0].code).toBe("ERR_PEER_DEAD");
    expect(pair.accepted.destroyed).toBe(true);
  });

  it("half-closed at a client that was watched before", async () => {
    pair = await loopbackPair({ allowHalfOpen: true });
    const { client, accepted } = pair;
    const w = watch(client, { detectWithinMs: BUDGET_MS });
    const ends = once(client.resume(), "end");
    accepted.end();
    await ends;
    const dying = deathOf(w);
    accepted.resetAndDestroy();
    const { diagnosis, afterMs } = await dying;
    expect(diagnosis.cause).toBe("peer-reset");
    expect(afterMs).toBeLessThan(TOLD_WITHIN_MS);
  });

  it("half-closed, with onDead 'report': the socket keeps its own error", async () => {
    pair = await halfClosedPair();
    const { accepted } = pair;
    const w = watch(accepted, { detectWithinMs: BUDGET_MS, onDead: "report" });
    const dying = deathOf(w);
    pair.client.resetAndDestroy();
    expect((await dying).diagnosis.cause).toBe("peer-reset");
    expect(accepted.destroyed).toBe(false);
    const errors = once(accepted, "error") as Promise<[NodeJS.ErrnoException]>;
    accepted.write("to nobody");
    const [error] = await errors;
    expect(error.code).toBe("EPIPE");
  });

  it("half-closed, then disconnected through another descriptor", async () => {
    pair = await halfClosedPair();
    const w = watch(pair.accepted, { detectWithinMs: BUDGET_MS });
    // Another process that has the socket too can do this.
    const dying = deathOf(w);
    expect(disconnect(openPort() as never, descriptorOf(pair.accepted))).toBe(0);
    expect((await dying).diagnosis.cause).toBe("peer-reset");
  });

  it("never read", async () => {
    pair = await loopbackPair();
    const { client, accepted } = pair;
    stopReading(client);
    const w = watch(client, { detectWithinMs: BUDGET_MS });
    await sleep(100);
    const dying = deathOf(w);
    accepted.resetAndDestroy();
    const { diagnosis, afterMs } = await dying;
    expect(diagnosis.cause).toBe("peer-reset");
    expect(afterMs).toBeLessThan(TOLD_WITHIN_MS);
  });

  it("ended by the program, not read, then reset", async () => {
    pair = await loopbackPair({ allowHalfOpen: true });
    const { client, accepted } = pair;
    stopReading(client);
    const w = watch(client, { detectWithinMs: BUDGET_MS });
    await new Promise<void>((resolve) => client.end(resolve));
    await sleep(100);
    const dying = deathOf(w);
    accepted.resetAndDestroy();
    expect((await dying).diagnosis.cause).toBe("peer-reset");
  });

  it("piped to a stream that takes no data", async () => {
    pair = await loopbackPair();
    const { client, accepted } = pair;
    client.pipe(new Writable({ highWaterMark: 1, write: () => {} }));
    const w = watch(client, { detectWithinMs: BUDGET_MS });
    accepted.write(Buffer.alloc(300_000));
    await sleep(300);
    const dying = deathOf(w);
    accepted.resetAndDestroy();
    const { diagnosis, afterMs } = await dying;
    expect(diagnosis.cause).toBe("peer-reset");
    expect(afterMs).toBeLessThan(TOLD_WITHIN_MS);
  });

  it("TLS, half-closed", async () => {
    const server = createTlsServer({ key: LAB_KEY, cert: LAB_CERTIFICATE, allowHalfOpen: true });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const accepting = once(server, "secureConnection");
    const client = connectTls({
      port: (server.address() as AddressInfo).port,
      host: "127.0.0.1",
      rejectUnauthorized: false,
      allowHalfOpen: true,
    } as never);
    client.on("error", () => {});
    const [accepted] = (await accepting) as [Socket];
    accepted.on("error", () => {});
    const ends = once(accepted.resume(), "end");
    client.end();
    await ends;
    const w = watch(accepted, { detectWithinMs: BUDGET_MS });
    await sleep(100);
    const dying = deathOf(w);
    disconnect(openPort() as never, descriptorOf(client)); // a TLSSocket has no resetAndDestroy
    expect((await dying).diagnosis.cause).toBe("peer-reset");
    client.destroy();
    server.close();
  });

  it("http, upgraded and half-closed", async () => {
    const server = createHttpServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const upgrading = once(server, "upgrade");
    const asking = request({
      port: (server.address() as AddressInfo).port,
      headers: { connection: "upgrade", upgrade: "x" },
    });
    asking.end();
    const [, accepted] = (await upgrading) as [unknown, Socket];
    accepted.on("error", () => {});
    accepted.write("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n");
    const [, client] = (await once(asking, "upgrade")) as [unknown, Socket];
    client.on("error", () => {});
    const ends = once(accepted.resume(), "end");
    client.end();
    await ends;
    const w = watch(accepted, { detectWithinMs: BUDGET_MS });
    await sleep(100);
    const dying = deathOf(w);
    client.resetAndDestroy();
    expect((await dying).diagnosis.cause).toBe("peer-reset");
    server.close();
  });
});

it("a calm socket that nobody reads costs a few system calls a second", async () => {
  pair = await loopbackPair();
  const { client } = pair;
  stopReading(client);
  using _ = watch(client, { detectWithinMs: 10_000 });
  await sleep(2500);
  const port = openPort() as SystemPort;
  const calls = [
    vi.spyOn(port, "poll"),
    vi.spyOn(port, "getsockopt"),
    vi.spyOn(port, "setsockopt"),
  ];
  await sleep(3000);
  const count = calls.reduce((sum, { mock }) => sum + mock.calls.length, 0);
  vi.restoreAllMocks();
  expect(count).toBeGreaterThanOrEqual(2);
  expect(count).toBeLessThan(15); // 50 checks before, with two calls or more each
});

describe("an ending that is no death is not reported as one:", () => {
  it("closed in order from both ends, with data not read yet", async () => {
    pair = await loopbackPair({ allowHalfOpen: true });
    const { client, accepted } = pair;
    stopReading(client);
    const w = watch(client, { detectWithinMs: BUDGET_MS });
    const told: string[] = [];
    for (const event of ["suspect", "dead", "close"] as const) w.on(event, () => told.push(event));
    accepted.resume();
    client.end();
    await once(accepted, "end");
    accepted.end("the answer");
    await sleep(1500);
    expect(told).toEqual([]);
    expect(w.diagnosis).toMatchObject({ state: "alive", cause: "closed-by-peer" });
    const closing = once(w, "close") as Promise<[Diagnosis]>;
    let text = "";
    client.setEncoding("utf8").on("data", (chunk) => {
      text += chunk;
    });
    startReading(client);
    expect((await closing)[0].cause).toBe("closed-by-peer");
    expect({ text, told }).toEqual({ text: "the answer", told: ["close"] });
  });
});

type Handle = { readStop(): void; readStart(): void; reading: boolean };

function handleOf(socket: Socket): Handle {
  return (socket as unknown as { _handle: Handle })._handle;
}

/** Leaves the handle as a program does that waits with `read()`, or whose consumer is slow. */
function stopReading(socket: Socket): void {
  socket.pause();
  handleOf(socket).readStop();
  handleOf(socket).reading = false;
}

function startReading(socket: Socket): void {
  handleOf(socket).reading = true;
  handleOf(socket).readStart();
  socket.resume();
}
