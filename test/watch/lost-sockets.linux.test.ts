import { fork } from "node:child_process";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { afterEach, describe, expect, it } from "vitest";
import {
  type Diagnosis,
  getKeepalive,
  type ServerWatch,
  watch,
  watchServer,
} from "../../src/index.ts";
import { readRtoMax } from "../../src/kernel/options/rto-max.ts";
import { descriptorOf } from "../../src/kernel/process/descriptor.ts";
import { groups } from "../../src/watch/membership.ts";
import { connectionOf } from "../../src/watch/socket-events.ts";
import { loopbackPair, type Pair } from "./loopback.ts";

let pair: Pair | undefined;
let server: Server | undefined;
afterEach(async () => {
  await pair?.dispose();
  server?.close();
  [pair, server] = [undefined, undefined];
});

const COUNT = 5;

/** A server with some accepted connections, watched. */
async function accepting(
  onSocket: (socket: Socket) => void,
  pauseOnConnect = false,
): Promise<{ w: ServerWatch; clients: Socket[] }> {
  server = createServer({ pauseOnConnect });
  const w = watchServer(server, { detectWithinMs: 2500 });
  server.on("connection", onSocket);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const clients = Array.from({ length: COUNT }, () =>
    connect(port, "127.0.0.1").on("error", () => {}),
  );
  await Promise.all(clients.map((client) => once(client, "connect")));
  return { w, clients };
}

function causesOf(w: ServerWatch): string[] {
  const causes: string[] = [];
  w.on("close", ({ cause, why }) => causes.push(`${cause}: ${why[0]}`));
  return causes;
}

describe("a socket that is handed to another process", () => {
  it("is let go at once, with a diagnosis that says so, and arrives with the program's options", async () => {
    const child = fork(new URL("receiver.mjs", import.meta.url).pathname);
    const received: unknown[] = [];
    child.on("message", (message) => received.push(message));
    const sockets: Socket[] = [];
    const { w, clients } = await accepting((socket) => sockets.push(socket), true);
    const causes = causesOf(w);
    while (w.size < COUNT) await sleep(5);
    const capMs = readRtoMax(descriptorOf(clients[0])); // nobody watches it
    sockets[0]?.setKeepAlive(true, 33_000);
    for (const socket of sockets.slice(0, COUNT)) child.send("yours", socket);
    expect(causes).toHaveLength(1); // one at a time: Node waits for the child's word
    while (received.length < COUNT) await sleep(10);
    expect(causes).toEqual(
      Array(COUNT).fill(expect.stringMatching(/^closed-locally: handed to another process/)),
    );
    expect(sockets.slice(0, COUNT).map(connectionOf)).toEqual(Array(COUNT).fill(undefined));
    expect(received[0]).toEqual([true, 33_000, capMs]);
    expect(received[1]).toEqual([false, expect.any(Number), capMs]);
    for (const client of clients) client.destroy();
    child.kill();
    while (w.size > 0) await sleep(10);
    expect(groups.size).toBe(0);
    w.close();
  });

  it("in an unknown way is noticed by the next check", async () => {
    pair = await loopbackPair();
    const { client } = pair;
    const w = watch(client, { detectWithinMs: 2500 });
    await sleep(200);
    const insides = client as unknown as { _handle: unknown };
    const heir = new Socket({ handle: insides._handle } as never);
    insides._handle = null;
    const [diagnosis] = (await once(w, "close", { signal: AbortSignal.timeout(4000) })) as [
      Diagnosis,
    ];
    expect(diagnosis).toMatchObject({
      cause: "closed-locally",
      why: [expect.stringContaining("handed to")],
    });
    expect(groups.size).toBe(0);
    expect(client.destroyed).toBe(false);
    heir.destroy();
  });

  it.runIf(Number.parseInt(process.versions.node, 10) >= 26)("or thread", async () => {
    pair = await loopbackPair();
    const { client } = pair;
    const w = watch(client, { detectWithinMs: 2500 });
    const worker = new Worker("require('node:worker_threads').parentPort.on('message', () => {})", {
      eval: true,
    });
    const closing = once(w, "close") as Promise<[Diagnosis]>;
    worker.postMessage(client, [client as never]);
    expect((await closing)[0].why[0]).toContain("handed to");
    await worker.terminate();
  });
});

describe("a watch does not depend on listeners or methods that a program can replace:", () => {
  it("a server may remove all listeners of its sockets", async () => {
    const { w, clients } = await accepting((socket) => {
      setTimeout(
        () =>
          socket
            .removeAllListeners()
            .on("error", () => {})
            .resume(),
        100,
      );
    });
    const causes = causesOf(w);
    await sleep(300);
    expect(w.size).toBe(COUNT);
    for (const client of clients) client.end();
    await sleep(300);
    expect({ size: w.size, causes }).toEqual({
      size: 0,
      causes: Array(COUNT).fill("closed-by-peer: the peer closed the connection"),
    });
    w.close();
  });

  it("a client may remove them before it is connected", async () => {
    pair = await loopbackPair();
    const socket = connect((pair.server.address() as AddressInfo).port, "127.0.0.1");
    const w = watch(socket, { detectWithinMs: 2500 });
    const { signal } = w;
    socket.removeAllListeners();
    while (socket.connecting) await sleep(5);
    expect(w.applied?.level).toBe("kernel");
    socket.destroy();
    await once(w, "close");
    expect(signal.aborted).toBe(true);
  });

  it("a watched socket shows the listeners that an unwatched one shows, and prints as it does", async () => {
    pair = await loopbackPair();
    const { client } = pair;
    const shown = (): unknown[] => [
      ...client.eventNames().map((name) => [name, client.listenerCount(name)]),
      Object.keys(client),
    ];
    const before = shown();
    const w = watch(client);
    expect(shown()).toEqual(before);
    w.close();
    expect(shown()).toEqual(before);
  });

  it("methods that other code put on the socket, before or after, go on working", async () => {
    pair = await loopbackPair();
    const { client, accepted } = pair;
    const seen: string[] = [];
    const spy = (name: string): void => {
      const { emit } = client;
      client.emit = function (this: Socket, ...args: Parameters<Socket["emit"]>) {
        seen.push(`${name} ${args[0]}`);
        return Reflect.apply(emit, this, args);
      } as never;
    };
    spy("before");
    const first = watch(client);
    spy("after");
    first.close();
    const w = watch(client);
    client.resume();
    accepted.end();
    const [diagnosis] = (await once(w, "close")) as [Diagnosis];
    expect(diagnosis.cause).toBe("closed-by-peer");
    await sleep(20);
    expect(seen.filter((line) => line.endsWith(" close"))).toEqual(["after close", "before close"]);
  });
});

describe("a socket that is connected again", () => {
  it("ends the watch of its first connection, and can be watched anew from within 'close'", async () => {
    pair = await loopbackPair();
    const { client } = pair;
    const { port } = pair.server.address() as AddressInfo;
    const w = watch(client, { detectWithinMs: 5000 });
    const told: string[] = [];
    w.on("close", ({ cause }) => told.push(cause));
    const again = new Promise<ReturnType<typeof watch>>((resolve) => {
      client.once("close", () => {
        expect(told).toEqual(["closed-locally"]); // told before the program's own handlers run
        client.connect(port, "127.0.0.1");
        resolve(watch(client, { detectWithinMs: 5000 }));
      });
    });
    client.destroy();
    const second = await again;
    await once(client, "connect");
    expect({ first: w.applied, second: second.applied?.level }).toEqual({
      first: null,
      second: "kernel",
    });
    expect(getKeepalive(client).enabled).toBe(true);
    expect(told).toHaveLength(1);
  });

  it("is not taken for closed when the 'close' of the first connection comes late", async () => {
    pair = await loopbackPair();
    const { client } = pair;
    client.destroy();
    client.connect((pair.server.address() as AddressInfo).port, "127.0.0.1");
    const w = watch(client, { detectWithinMs: 5000 });
    let isTold = false;
    w.on("close", () => {
      isTold = true;
    });
    await once(client, "connect");
    expect({ isTold, level: w.applied?.level }).toEqual({ isTold: false, level: "kernel" });
  });
});
