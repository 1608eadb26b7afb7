import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import {
  type Diagnosis,
  getKeepalive,
  getUserTimeout,
  type StateMessage,
  watch,
  watchServer,
} from "../../src/index.ts";
import { readRtoMax } from "../../src/kernel/options/rto-max.ts";
import { descriptorOf } from "../../src/kernel/process/descriptor.ts";
import { loopbackPair, type Pair } from "./loopback.ts";

let pair: Pair;
afterEach(() => pair.dispose());

/** Resets the connection from this end. */
function reset(socket: Socket): void {
  socket.resetAndDestroy();
}

describe("watch", () => {
  it("leaves the socket as it was when closed, aborted or disposed", async () => {
    pair = await loopbackPair();
    const { client } = pair;
    client.setKeepAlive(true, 33_000);
    const options = () => ({
      keepalive: getKeepalive(client),
      userTimeoutMs: getUserTimeout(client),
    });
    const before = options();
    const listeners = client.eventNames().map((name) => [name, client.listenerCount(name)]);
    const abort = new AbortController();
    for (const end of [
      (w: { close(): void }) => w.close(),
      () => abort.abort(),
      (w: Disposable) => w[Symbol.dispose](),
    ]) {
      const w = watch(client, {
        detectWithinMs: 5000,
        signal: abort.signal.aborted ? undefined : abort.signal,
      });
      expect(getKeepalive(client)).not.toEqual(before.keepalive);
      end(w);
      expect(options()).toEqual(before);
      expect(client.eventNames().map((name) => [name, client.listenerCount(name)])).toEqual(
        listeners,
      );
    }
  });

  it("leaves the kernel its patience for data that a closing socket still has to deliver", async () => {
    pair = await loopbackPair({ allowHalfOpen: true });
    const { accepted } = pair;
    const fd = descriptorOf(accepted);
    const before = readRtoMax(fd);
    using w = watch(accepted, { detectWithinMs: 5000 });
    expect(readRtoMax(fd)).toBe(w.applied?.rtoMaxMs);
    accepted.end("the last words");
    await once(accepted, "finish");
    expect(readRtoMax(fd)).toBe(before);
  });

  it("reports the options that the kernel took", async () => {
    pair = await loopbackPair();
    using w = watch(pair.client, { detectWithinMs: 5000 });
    expect(w.applied?.level).toBe("kernel");
    const { idleMs, intervalMs, count } = getKeepalive(pair.client);
    expect(w.applied?.keepalive).toEqual({ idleMs, intervalMs, count });
    expect(w.applied?.detectWithinMs.idle).toBe(5000);
  });

  it("joins two watches of one socket: the shorter budget and the stronger action hold, and each ends by itself", async () => {
    pair = await loopbackPair();
    const { client } = pair;
    const loose = watch(client, { detectWithinMs: 20_000, onDead: "report" });
    const { intervalMs } = getKeepalive(client);
    const strict = watch(client, { detectWithinMs: 2500 });
    expect(getKeepalive(client).intervalMs).toBeLessThan(intervalMs);
    strict.close();
    expect(getKeepalive(client).intervalMs).toBe(intervalMs);
    loose.close();
    expect(getKeepalive(client).enabled).toBe(false);
  });

  it("may start before the connection exists", async () => {
    pair = await loopbackPair();
    const { port } = pair.server.address() as { port: number };
    const socket = connect(port, "127.0.0.1");
    const w = watch(socket, { detectWithinMs: 5000 });
    expect(w.applied).toBeNull();
    await once(socket, "connect");
    expect(w.applied?.keepalive?.idleMs).toBeGreaterThanOrEqual(1000);
    expect(w.state).toBe("alive");
    socket.destroy();
    const [diagnosis] = await once(w, "close");
    expect(diagnosis.cause).toBe("closed-locally");
  });

  it("reports an orderly close by the peer as a close, not as a death", async () => {
    pair = await loopbackPair();
    const { client, accepted } = pair;
    const w = watch(client);
    const events: string[] = [];
    for (const event of ["suspect", "alive", "dead"] as const)
      w.on(event, () => events.push(event));
    client.resume();
    accepted.end();
    const [diagnosis] = (await once(w, "close")) as [Diagnosis];
    expect(diagnosis).toMatchObject({ cause: "closed-by-peer", certainty: "high" });
    expect(events).toEqual([]);
  });

  it("looks the path up for a connection that an error ended, not for one that was closed", async () => {
    const ends: Record<string, (pair: Pair) => void> = {
      "closed here": ({ client }) => client.destroy(),
      "closed by the peer": ({ accepted }) => accepted.end(),
      reset: ({ accepted }) => reset(accepted),
    };
    const looked: string[] = [];
    for (const [end, act] of Object.entries(ends)) {
      pair = await loopbackPair();
      const w = watch(pair.client.resume());
      const closed = once(w, "close") as Promise<[Diagnosis]>;
      act(pair);
      if ((await closed)[0].evidence.localPath !== null) looked.push(end);
      await pair.dispose();
    }
    expect(looked).toEqual(["reset"]);
    pair = await loopbackPair();
  });

  it("reports a reset within 100 ms, reading or not", async () => {
    for (const isPaused of [false, true]) {
      pair = await loopbackPair();
      const { client, accepted } = pair;
      const w = watch(client);
      if (isPaused) client.pause();
      else client.resume();
      await sleep(120);
      const at = performance.now();
      reset(accepted);
      const [diagnosis] = (await once(w, "dead")) as [Diagnosis];
      expect(performance.now() - at).toBeLessThan(100);
      expect(diagnosis).toMatchObject({ cause: "peer-reset", state: "dead" });
      if (!isPaused) await pair.dispose();
    }
  });

  it("distinguishes a reset that came with data from an orderly end, which the event loop does not", async () => {
    for (const end of ["reset", "orderly", "orderly after our own"] as const) {
      pair = await loopbackPair({ allowHalfOpen: true });
      const { client, accepted } = pair;
      const w = watch(client);
      const ends = once(client.resume(), "end");
      if (end === "orderly after our own")
        await new Promise<void>((resolve) => client.end(resolve));
      accepted.write("the last words");
      if (end === "reset") reset(accepted);
      else accepted.end();
      await ends;
      const closed = once(w, "close") as Promise<[Diagnosis]>;
      client.destroy();
      const [{ cause, state }] = await closed;
      const expected =
        end === "reset"
          ? { cause: "peer-reset", state: "dead" }
          : { cause: "closed-by-peer", state: "alive" };
      expect({ end, cause, state }).toEqual({ end, ...expected });
      await pair.dispose();
    }
    pair = await loopbackPair();
  });

  it("goes on watching a connection that either end has half closed", async () => {
    pair = await loopbackPair({ allowHalfOpen: true });
    const { client, accepted } = pair;
    using w = watch(client, { detectWithinMs: 2500 });
    using other = watch(accepted, { detectWithinMs: 2500 });
    accepted.resume();
    client.end();
    await once(accepted, "end");
    await sleep(3500);
    expect(w.diagnosis).toMatchObject({
      state: "alive",
      evidence: { tcpInfo: { state: "FIN_WAIT2" } },
    });
    expect(other.diagnosis).toMatchObject({
      state: "alive",
      evidence: { tcpInfo: { state: "CLOSE_WAIT" } },
    });
    // The standing keepalive probes both, so the silence stays short.
    expect(w.silentForMs).toBeLessThan(1600);
    expect(other.silentForMs).toBeLessThan(1600);
  });

  it("works despite the program's own setTimeout and setKeepAlive, and restores what the program set", async () => {
    pair = await loopbackPair();
    const { client } = pair;
    const w = watch(client, { detectWithinMs: 2500 });
    let timeouts = 0;
    client.setTimeout(700, () => timeouts++);
    client.setKeepAlive(true, 44_000);
    await sleep(4000);
    expect(timeouts).toBeGreaterThan(0);
    expect(w.state).toBe("alive");
    expect(w.silentForMs).toBeLessThan(1700);
    w.close();
    expect(getKeepalive(client).idleMs).toBe(44_000);
  });

  it("survives errors that listeners throw, and does not hide them", async () => {
    pair = await loopbackPair();
    const { client, accepted } = pair;
    const w = watch(client);
    const surfaced: unknown[] = [];
    const before = process.listeners("uncaughtException");
    process.removeAllListeners("uncaughtException");
    process.on("uncaughtException", (error) => surfaced.push(error.message));
    w.on("dead", () => {
      throw new Error("a listener's mistake");
    });
    let isClosed = false;
    w.on("close", () => {
      isClosed = true;
    });
    client.resume();
    reset(accepted);
    await sleep(150);
    process.removeAllListeners("uncaughtException");
    for (const listener of before)
      process.on("uncaughtException", listener as (error: Error) => void);
    expect(surfaced).toEqual(["a listener's mistake"]);
    expect(isClosed).toBe(true);
  });

  it("aborts its signal on death and ends its iterator with the socket", async () => {
    pair = await loopbackPair();
    const { client, accepted } = pair;
    const w = watch(client, { label: "db" });
    client.resume();
    const seen: string[] = [];
    const iterated = (async () => {
      for await (const diagnosis of w) seen.push(`${diagnosis.label} ${diagnosis.cause}`);
    })();
    expect(w.signal.aborted).toBe(false);
    reset(accepted);
    await iterated;
    expect(seen).toEqual(["db peer-reset"]);
    expect(w.signal.aborted).toBe(true);
  });

  it("publishes every change of state on the diagnostics channel", async () => {
    pair = await loopbackPair();
    const { client, accepted } = pair;
    const messages: StateMessage[] = [];
    const onMessage = (message: unknown): void => void messages.push(message as StateMessage);
    subscribe("halfopen:state", onMessage);
    const w = watch(client);
    client.resume();
    reset(accepted);
    await once(w, "close");
    unsubscribe("halfopen:state", onMessage);
    expect(messages.map(({ event, socket }) => ({ event, isOurs: socket === client }))).toEqual([
      { event: "dead", isOurs: true },
      { event: "close", isOurs: true },
    ]);
  });
});

describe("watchServer", () => {
  it("watches every accepted connection, names the socket of each verdict, and forgets ended connections", async () => {
    pair = await loopbackPair();
    const accepted = new Map<number | undefined, Socket>();
    const server = createServer((socket) => {
      accepted.set(
        socket.remotePort,
        socket.resume().on("error", () => {}),
      );
    });
    const w = watchServer(server, { detectWithinMs: 5000 });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as { port: number };
    const clients = [connect(port), connect(port)];
    await Promise.all(clients.map((client) => once(client, "connect")));
    while (w.size < 2) await sleep(10);
    expect([...w].map(({ state }) => state)).toEqual(["alive", "alive"]);
    const dying = once(w, "dead") as Promise<[Diagnosis, Socket]>;
    const doomed = accepted.get(clients[0]?.localPort);
    clients[0]?.resetAndDestroy();
    const [{ cause }, socket] = await dying;
    expect({ cause, isDoomed: doomed !== undefined && socket === doomed }).toEqual({
      cause: "peer-reset",
      isDoomed: true,
    });
    clients[1]?.end();
    await once(w, "close");
    expect(w.size).toBe(0);
    w.close();
    server.close();
  });
});
