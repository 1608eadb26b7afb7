import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { connect as connectTls, TLSSocket } from "node:tls";
import { afterEach, describe, expect, it } from "vitest";
import { type Diagnosis, type WatchOptions, watch } from "../../src/index.ts";
import { LAB_CERTIFICATE, LAB_KEY } from "../../src/lab/certificate.ts";
import { loopbackPair, type Pair } from "./loopback.ts";

const BUDGET_MS = 2500;

let pair: Pair | undefined;
afterEach(async () => {
  await pair?.dispose();
  pair = undefined;
});

/** A pair whose accepted end does not answer an end with its own. */
async function oneWayPair(): Promise<Pair> {
  pair = await loopbackPair({ allowHalfOpen: true });
  pair.client.allowHalfOpen = false;
  return pair;
}

/** The events of a watch, in order, and the diagnosis of its end. */
interface Told {
  readonly events: string[];
  readonly close: Promise<Diagnosis>;
}

function told(socket: Socket, options: WatchOptions = {}): Told {
  const w = watch(socket, { detectWithinMs: BUDGET_MS, ...options });
  const events: string[] = [];
  for (const event of ["suspect", "dead", "close"] as const) w.on(event, () => events.push(event));
  const close = once(w, "close", { signal: AbortSignal.timeout(10_000) });
  return { events, close: close.then(([diagnosis]) => diagnosis as Diagnosis) };
}

async function expectClosed({ events, close }: Told): Promise<void> {
  expect(await close).toMatchObject({
    state: "alive",
    cause: "closed-locally",
    evidence: { errorCode: "ECONNRESET" },
  });
  expect(events).toEqual(["close"]);
}

async function expectReset({ events, close }: Told): Promise<void> {
  expect(await close).toMatchObject({
    state: "dead",
    cause: "peer-reset",
    why: [expect.any(String)],
  });
  expect(events).toEqual(["dead", "close"]);
}

/** Ends the socket, and resolves when its FIN has left. */
function ended(socket: Socket, lastWords = ""): Promise<void> {
  return new Promise((resolve) => socket.end(lastWords, resolve));
}

describe("a reset after the program's own end is an orderly close", () => {
  it("of a client whose last words were answered, as RabbitMQ does it", async () => {
    const { client, accepted } = await oneWayPair();
    const it = told(client);
    accepted.once("data", () => accepted.write("and to you"));
    client.write("farewell");
    await once(client, "data");
    await ended(client);
    accepted.resetAndDestroy();
    await expectClosed(it);
  });

  it("of a client whose last words were acknowledged, and of one that said nothing", async () => {
    for (const words of ["farewell", ""]) {
      const { client, accepted, dispose } = await oneWayPair();
      const it = told(client.resume());
      accepted.resume();
      await ended(client, words);
      await sleep(20);
      accepted.resetAndDestroy();
      await expectClosed(it);
      await dispose();
    }
  });

  it("of an accepted socket that has answered", async () => {
    const { client, accepted } = await oneWayPair();
    client.allowHalfOpen = true;
    accepted.allowHalfOpen = false;
    const it = told(accepted.resume());
    client.resume();
    await ended(accepted, "the answer");
    await sleep(100); // for the delayed acknowledgment of the FIN
    client.resetAndDestroy();
    await expectClosed(it);
  });

  it("of a socket that is not read: its program gets the kernel's error", async () => {
    const { client, accepted } = await oneWayPair();
    client.pause();
    const handle = (client as unknown as { _handle: { readStop(): void; reading: boolean } })
      ._handle;
    handle.readStop();
    handle.reading = false;
    accepted.resume();
    const it = told(client);
    await ended(client);
    await sleep(100);
    const errors = once(client, "error") as Promise<[NodeJS.ErrnoException]>;
    accepted.resetAndDestroy();
    await expectClosed(it);
    expect((await errors)[0]).toMatchObject({ code: "ECONNRESET", name: "Error" });
  });

  it("over TLS", async () => {
    await using tls = await tlsPair();
    const it = told(tls.client.resume());
    tls.accepted.once("data", () => tls.accepted.write("and to you"));
    tls.client.write("farewell");
    await once(tls.client, "data");
    await ended(tls.client);
    await sleep(20);
    tls.raw.resetAndDestroy();
    await expectClosed(it);
  });

  it("where a client's protocol has ended it, and the socket has not", async () => {
    const { client, accepted } = await oneWayPair();
    let hasClosed = false;
    const heartbeat = Object.assign(() => undefined, { hasEnded: () => hasClosed });
    const it = told(client.resume(), { heartbeat });
    accepted.resume();
    client.write("close");
    hasClosed = true;
    await sleep(20);
    accepted.resetAndDestroy();
    await expectClosed(it);
  });
});

describe("a reset is a dead peer's", () => {
  it("before the program has ended", async () => {
    pair = await loopbackPair();
    const it = told(pair.client.resume());
    pair.accepted.resetAndDestroy();
    await expectReset(it);
  });

  it("if data that the program had sent was not acknowledged", async () => {
    pair = await loopbackPair();
    const it = told(pair.client.resume());
    pair.accepted.pause();
    // More than the peer's kernel takes, less than ours holds
    await ended(pair.client, "x".repeat(1_500_000));
    await sleep(100);
    pair.accepted.resetAndDestroy();
    await expectReset(it);
  });

  it("if the program's end still waits behind its data", async () => {
    pair = await loopbackPair();
    const it = told(pair.client.resume());
    pair.accepted.pause();
    pair.client.end("x".repeat(20_000_000));
    await sleep(100);
    pair.accepted.resetAndDestroy();
    await expectReset(it);
  });

  it("if it cuts off an answer that came after the end", async () => {
    const { client, accepted } = await oneWayPair();
    const it = told(client.resume());
    const answer = once(client, "data");
    accepted.resume();
    await ended(client, "the question");
    accepted.write("half of the ans");
    await answer;
    accepted.resetAndDestroy();
    await expectReset(it);
  });

  it("if the program keeps the connection half open", async () => {
    pair = await loopbackPair({ allowHalfOpen: true });
    const it = told(pair.client.resume());
    pair.accepted.resume();
    await ended(pair.client, "the question");
    await sleep(20);
    pair.accepted.resetAndDestroy();
    await expectReset(it);
  });
});

it("a heartbeat is not called after the program's end, nor is its peer hung", async () => {
  pair = await loopbackPair({ allowHalfOpen: true });
  const { client, accepted } = pair;
  let calls = 0;
  const heartbeat = (): Promise<void> => {
    calls++;
    return new Promise((resolve) => client.write("ping", () => resolve()));
  };
  const errors: Error[] = [];
  client.on("error", (error) => errors.push(error));
  accepted.resume();
  client.resume();
  const it = told(client, { heartbeat, expect: "process" });
  await expect.poll(() => calls, { timeout: 2000 }).toBe(1);
  await ended(client);
  await sleep(BUDGET_MS + 500);
  expect({ calls, errors, events: it.events }).toEqual({ calls: 1, errors: [], events: [] });
  accepted.end();
  expect((await it.close).cause).toBe("closed-by-peer");
});

/** A TLS connection, and the socket beneath the server's end. */
async function tlsPair(): Promise<
  { client: TLSSocket; accepted: TLSSocket; raw: Socket } & AsyncDisposable
> {
  const server = createServer({ allowHalfOpen: true }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const connecting = once(server, "connection") as Promise<[Socket]>;
  const { port } = server.address() as AddressInfo;
  const client = connectTls({ port, host: "127.0.0.1", rejectUnauthorized: false });
  client.on("error", () => {});
  const [raw] = await connecting;
  const accepted = new TLSSocket(raw, {
    isServer: true,
    key: LAB_KEY,
    cert: LAB_CERTIFICATE,
  });
  for (const one of [raw, accepted]) one.on("error", () => {});
  await once(client, "secureConnect");
  return {
    client,
    accepted,
    raw,
    async [Symbol.asyncDispose]() {
      client.destroy();
      raw.destroy();
      server.close();
    },
  };
}
