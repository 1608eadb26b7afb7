import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as nextLoop, setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import {
  type AllWatch,
  type FoundConnection,
  getKeepalive,
  HalfOpenError,
  type WatchAllOptions,
  watch,
  watchAll,
} from "../../src/index.ts";
import { loopbackPair, type Pair } from "../watch/loopback.ts";

const BUDGET_MS = 5000;
const open: (AllWatch | Pair)[] = [];
afterEach(async () => {
  for (const each of open.splice(0).reverse())
    await ("dispose" in each ? each.dispose() : each.close());
});

function all(options: WatchAllOptions = {}): AllWatch {
  const made = watchAll({ detectWithinMs: BUDGET_MS, ...options });
  open.push(made);
  return made;
}

async function pair(host?: string): Promise<Pair> {
  const made = await loopbackPair(host ? { host } : {});
  open.push(made);
  await nextLoop(); // Node announces an accepted socket after its 'connection' event.
  return made;
}

function isWatched(socket: Socket): boolean {
  const { enabled, idleMs } = getKeepalive(socket);
  return enabled && idleMs < 10_000;
}

/** Which ends of a new connection are watched. */
async function watched(host?: string): Promise<string> {
  const { client, accepted } = await pair(host);
  return [isWatched(client) && "client", isWatched(accepted) && "server"].filter(Boolean).join();
}

describe("watchAll", () => {
  it("watches what the program opens and accepts from now on, and nothing that was there", async () => {
    const before = await pair();
    const watching = all();
    const { client, accepted } = await pair();
    expect([before.client, before.accepted, client, accepted].map(isWatched)).toEqual([
      false,
      false,
      true,
      true,
    ]);
    expect(watching.size).toBe(2);
    expect(new Set([...watching].map(({ socket }) => socket))).toEqual(new Set([client, accepted]));
    expect([...watching].map((it) => it.applied?.level)).toEqual(["kernel", "kernel"]);
  });

  it("covers a server that listens already", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    all();
    const client = connect((server.address() as AddressInfo).port, "127.0.0.1");
    const [accepted] = (await once(server, "connection")) as [Socket];
    await nextLoop();
    expect(isWatched(accepted)).toBe(true);
    client.destroy();
    server.close();
  });

  it("emits what a watch emits, with the socket, and ends the socket with our error", async () => {
    const watching = all({ errorCode: "ECONNRESET", servers: false });
    const { client, accepted } = await pair();
    const dying = once(watching, "dead");
    const failing = once(client, "error");
    const closing = once(watching, "close");
    (client as Socket & { _handle: { readStop(): void; reading: boolean } })._handle.readStop();
    (client as Socket & { _handle: { reading: boolean } })._handle.reading = false;
    await sleep(20);
    accepted.resetAndDestroy();
    expect(await dying).toEqual([expect.objectContaining({ cause: "peer-reset" }), client]);
    expect(await failing).toEqual([
      expect.objectContaining({ code: "ECONNRESET", halfopenCode: "ERR_PEER_DEAD" }),
    ]);
    expect((await closing)[1]).toBe(client);
    expect(watching.size).toBe(0);
  });
});

describe("the rules of watchAll", () => {
  it.each<[string, WatchAllOptions]>([
    ["client,server", {}],
    ["client", { servers: false }],
    ["", { loopback: false }],
    ["client,server", { allow: "127.0.0.0/8" }],
    ["client,server", { allow: ["10.0.0.0/8", "127.0.0.1"] }],
    ["", { allow: "10.0.0.0/8" }],
    ["", { allow: "127.0.0.1", deny: ["127.0.0.0/8"] }],
    ["client", { filter: ({ side }) => side === "client" }],
    ["server", { filter: ({ side }) => side === "server" }],
    ["", { deny: "127.0.0.1", filter: () => true }],
  ])("watch of a loopback connection: '%s' with %j", async (expected, options) => {
    const watching = all(options);
    expect(await watched()).toBe(expected);
    expect(watching.size).toBe(expected.split(",").filter(Boolean).length);
  });

  it("are about the server's own port on both sides, and the name that the program wrote", async () => {
    const found: FoundConnection[] = [];
    all({ filter: (one) => found.push(one) > 0 });
    const { client, accepted, server } = await pair();
    const { port } = server.address() as AddressInfo;
    const address = "127.0.0.1";
    expect(found.sort((a, b) => (a.side < b.side ? -1 : 1))).toEqual([
      { socket: client, side: "client", host: undefined, address, port },
      { socket: accepted, side: "server", host: undefined, address, port },
    ]);
    const named = connect(port, "localhost").on("error", () => {});
    await once(named, "connect");
    expect(found.find(({ socket }) => socket === named)?.host).toBe("localhost");
    named.destroy();
  });

  it("keep nothing of sockets that are not wanted, do not connect, or are pipes", async () => {
    const folder = mkdtempSync(join(tmpdir(), "halfopen-"));
    const unix = createServer().listen(join(folder, "s"));
    const gone = createServer().listen(0, "127.0.0.1");
    await Promise.all([once(unix, "listening"), once(gone, "listening")]);
    const { port } = gone.address() as AddressInfo;
    gone.close();
    await once(gone, "close");

    const watching = all({ filter: () => false });
    const told: unknown[] = [];
    watching.on("unwatched", (error) => told.push(error));
    await pair();
    const refused = connect(port, "127.0.0.1");
    expect(((await once(refused, "error")) as [NodeJS.ErrnoException])[0].code).toBe(
      "ECONNREFUSED",
    );
    const pipe = connect(join(folder, "s"));
    await once(pipe, "connect");
    await nextLoop();
    expect({ size: watching.size, told }).toEqual({ size: 0, told: [] });
    pipe.destroy();
    unix.close();
    rmSync(folder, { recursive: true });
  });
});

describe("the end of watchAll", () => {
  it("gives back what it watched and adopts nothing more; a later call begins anew", async () => {
    const first = all();
    const { client, accepted } = await pair();
    first.close();
    first.close();
    expect([isWatched(client), isWatched(accepted), first.size]).toEqual([false, false, 0]);
    expect(await watched()).toBe("");

    const second = all();
    expect(await watched()).toBe("client,server");
    expect([isWatched(client), second.size, first.size]).toEqual([false, 2, 0]);
  });

  it("comes with a signal and with `using`", async () => {
    const ending = new AbortController();
    all({ signal: ending.signal });
    const { client } = await pair();
    ending.abort();
    expect(isWatched(client)).toBe(false);
    expect(await watched()).toBe("");
    all({ signal: AbortSignal.abort() });
    expect(await watched()).toBe("");
    {
      using _ = watchAll();
      expect(await watched()).toBe("client,server");
    }
    expect(await watched()).toBe("");
  });

  it("of a socket that is still to connect leaves it alone", async () => {
    const { server } = await pair();
    const watching = all();
    const client = connect((server.address() as AddressInfo).port, "127.0.0.1");
    await new Promise((run) => process.nextTick(run));
    expect(watching.size).toBe(1);
    watching.close();
    await once(client, "connect");
    expect(isWatched(client)).toBe(false);
    client.destroy();
  });
});

describe("several calls of watchAll at once", () => {
  it("join: each socket is reported to both, and stays watched until the last one ends", async () => {
    const a = all();
    const b = all({ detectWithinMs: 60_000, servers: false });
    const { client, accepted } = await pair();
    expect([a.size, b.size]).toEqual([2, 1]);
    a.close();
    expect([isWatched(client) || b.size === 1, isWatched(accepted)]).toEqual([true, false]);
    const ends = once(b, "close");
    client.destroy();
    expect((await ends)[1]).toBe(client);
    expect(b.size).toBe(0);
  });

  it("each have rules of their own", async () => {
    const none = all({ filter: () => false });
    const some = all({ filter: ({ side }) => side === "client" });
    expect(await watched()).toBe("client");
    expect([none.size, some.size]).toEqual([0, 1]);
  });

  it("and a watch of the program's own: its end leaves the program's", async () => {
    const watching = all();
    const { client } = await pair();
    using own = watch(client, { detectWithinMs: BUDGET_MS });
    watching.close();
    expect([isWatched(client), own.state]).toEqual([true, "alive"]);
  });
});

describe("a filter that fails", () => {
  const FAILING: readonly [string, NonNullable<WatchAllOptions["filter"]>][] = [
    [
      "throws",
      () => {
        throw new Error("no such tenant");
      },
    ],
    ["is async", (async () => true) as never],
    ["returns nothing", (() => {}) as never],
  ];

  it.each(FAILING)(
    "(%s) leaves the connection alone, says so, and hinders no other watch",
    async (_, filter) => {
      const failing = all({ filter });
      const other = all();
      const told: [HalfOpenError, Socket][] = [];
      failing.on("unwatched", (...args) => told.push(args));
      const { client, accepted } = await pair();
      expect([failing.size, other.size, isWatched(client), isWatched(accepted)]).toEqual([
        0,
        2,
        true,
        true,
      ]);
      expect(told.map(([, socket]) => socket)).toEqual(expect.arrayContaining([client, accepted]));
      for (const [error] of told) {
        expect(error).toBeInstanceOf(HalfOpenError);
        expect(error).toMatchObject({ code: "ERR_OPTION_RANGE", cause: expect.any(Error) });
      }
    },
  );

  it("surfaces as an uncaught exception if nobody listens", async () => {
    const thrown: unknown[] = [];
    const listeners = process.rawListeners("uncaughtException");
    process.removeAllListeners("uncaughtException");
    process.on("uncaughtException", (error) => thrown.push(error));
    try {
      all({ servers: false, filter: FAILING[0]?.[1] });
      await pair();
      await nextLoop();
    } finally {
      process.removeAllListeners("uncaughtException");
      for (const listener of listeners) process.on("uncaughtException", listener as never);
    }
    expect(thrown).toEqual([
      expect.objectContaining({
        code: "ERR_OPTION_RANGE",
        message: expect.stringContaining("no such tenant"),
      }),
    ]);
  });
});

describe("bad options of watchAll are refused at the call, and nothing begins:", () => {
  it.each([
    [null, "options"],
    ["10s", "options"],
    [{ detectWithinMs: 5 }, "detectWithinMs"],
    [{ onDead: "kill" }, "onDead"],
    [{ onUnheard: "ignore" }, "onUnheard"],
    [{ errorCode: "ERESET" }, "errorCode"],
    [{ filter: true }, "filter"],
    [{ filter: /10[.]0/ }, "filter"],
    [{ allow: 443 }, "allow"],
    [{ allow: ["db", 443] }, "allow"],
    [{ deny: "host:99999" }, "deny"],
    [{ deny: Object.create(null) }, "deny"],
    [{ servers: "off" }, "servers"],
    [{ loopback: 0 }, "loopback"],
    [{ heartbeat: () => {} }, "heartbeat"],
    [{ expect: "process" }, "expect"],
    [{ alow: "db" }, "allow, deny"],
    [{ signal: "now" }, "signal"],
  ])("%j", async (options, named) => {
    let error: unknown;
    try {
      watchAll(options as never);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(HalfOpenError);
    expect(error).toMatchObject({
      code: "ERR_OPTION_RANGE",
      message: expect.stringContaining(named),
    });
    expect(await watched()).toBe("");
  });
});
