import { fork } from "node:child_process";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, Server, Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { connect as connectTls, createServer as createTlsServer } from "node:tls";
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
import { LAB_CERTIFICATE, LAB_KEY } from "../../src/lab/certificate.ts";
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

  it("that has just gone is let go too", async () => {
    const child = fork(new URL("receiver.mjs", import.meta.url).pathname).on("error", () => {});
    await once(child, "spawn");
    pair = await loopbackPair();
    const w = watch(pair.client, { detectWithinMs: 2500 });
    await sleep(20);
    const closing = once(w, "close");
    child.kill("SIGKILL");
    child.send("yours", pair.client);
    const [{ why }] = (await closing) as [Diagnosis];
    expect(why[0]).toContain("handed to another process");
    expect(groups.size).toBe(0);
    await once(child, "close");
  });

  it("that takes no more messages stays watched, because it stays here", async () => {
    const child = fork(new URL("receiver.mjs", import.meta.url).pathname);
    await once(child, "spawn");
    child.kill();
    await once(child, "close");
    const errors: unknown[] = [];
    const { w, clients } = await accepting((socket) =>
      child.send("yours", socket, (error) => errors.push((error as { code?: string }).code)),
    );
    while (errors.length < COUNT) await sleep(5);
    expect(errors).toEqual(Array(COUNT).fill("ERR_IPC_CHANNEL_CLOSED"));
    expect([...w].map(({ applied }) => applied?.level)).toEqual(Array(COUNT).fill("kernel"));
    for (const client of clients) client.destroy();
    while (w.size > 0) await sleep(5);
  });

  it("and kept open here is watched here until this process lets it go", async () => {
    const child = fork(new URL("receiver.mjs", import.meta.url).pathname);
    pair = await loopbackPair();
    const { client } = pair;
    const w = watch(client, { detectWithinMs: 2500 });
    await sleep(20);
    child.send("ours", client, { keepOpen: true });
    await once(child, "message");
    expect([w.applied?.level, getKeepalive(client).enabled]).toEqual(["kernel", true]);
    const closing = once(w, "close");
    client.destroy();
    await closing;
    child.kill();
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

  it.each(["before it is connected", "in its 'connect'"])(
    "a client may remove them %s",
    async (when) => {
      pair = await loopbackPair();
      const socket = connect((pair.server.address() as AddressInfo).port, "127.0.0.1");
      const w = watch(socket, { detectWithinMs: 2500 });
      const { signal } = w;
      if (when === "in its 'connect'") socket.on("connect", () => socket.removeAllListeners());
      else socket.removeAllListeners();
      while (socket.connecting) await sleep(5);
      expect(w.applied?.level).toBe("kernel");
      socket.destroy();
      await once(w, "close");
      expect(signal.aborted).toBe(true);
    },
  );

  it("a TLS client may remove them too", async () => {
    server = createTlsServer({ key: LAB_KEY, cert: LAB_CERTIFICATE }).listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const socket = connectTls({ port, host: "127.0.0.1", rejectUnauthorized: false });
    const w = watch(socket, { detectWithinMs: 2500 });
    await once(socket, "secureConnect");
    expect(w.applied?.level).toBe("kernel");
    socket.removeAllListeners().destroy();
    await once(w, "close");
    expect(groups.size).toBe(0);
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

  it("a server may remove them too, and accept by a listener of its own", async () => {
    const { w } = await accepting(() => {});
    while (w.size < COUNT) await sleep(5);
    const mine = server as Server;
    mine.removeAllListeners("connection").on("connection", (socket) => socket.resume());
    expect(mine.listenerCount("connection")).toBe(1);
    const late = connect((mine.address() as AddressInfo).port, "127.0.0.1").on("error", () => {});
    await once(late, "connect");
    while (w.size <= COUNT) await sleep(5);
    w.close();
    expect(mine.emit).toBe(Server.prototype.emit);
  });

  it("a server may emit a socket again, once it has seen its first bytes", async () => {
    const mine = createServer().on("connection", (socket) => socket.resume());
    const w = watchServer(mine);
    pair = await loopbackPair();
    let closes = 0;
    w.on("close", () => closes++);
    for (const _ of [1, 2]) mine.emit("connection", pair.accepted);
    expect(w.size).toBe(1);
    pair.accepted.destroy();
    await once(pair.accepted, "close");
    expect({ closes, size: w.size }).toEqual({ closes: 1, size: 0 });
  });

  it("a watcher's own listeners may be removed: it is still iterated to its end", async () => {
    pair = await loopbackPair();
    const heartbeat = () => new Promise(() => {});
    const w = watch(pair.client, { detectWithinMs: 2500, heartbeat, expect: "process" });
    const read = (async () => {
      const states: string[] = [];
      for await (const { state } of w) states.push(state);
      return states;
    })();
    await sleep(10);
    w.removeAllListeners();
    expect((await read).at(-1)).toBe("dead");
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

  it.each(["'close'", "'error'"])(
    "may be watched anew while the %s of its first connection is to come",
    async (due) => {
      pair = await loopbackPair();
      const { client, server } = pair;
      const { port } = server.address() as AddressInfo;
      const first = watch(client, { detectWithinMs: 5000 });
      const told: string[] = [];
      first.on("close", ({ cause }) => told.push(cause));
      client.destroy(due === "'error'" ? new Error("of the program") : undefined);
      client.connect(port, "127.0.0.1");
      const second = watch(client, { detectWithinMs: 5000 });
      expect(told).toEqual(["closed-locally"]);
      while (client.connecting) await sleep(5);
      await sleep(50);
      expect({ level: second.applied?.level, isOn: getKeepalive(client).enabled }).toEqual({
        level: "kernel",
        isOn: true,
      });
      expect([told.length, second.state]).toEqual([1, "alive"]);
    },
  );

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
