import { once } from "node:events";
import type { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, it, vi } from "vitest";
import {
  setKeepalive,
  setUserTimeout,
  type WatchOptions,
  watch,
  watchServer,
} from "../../src/index.ts";
import {
  type ConnectionOptions,
  readOptions,
} from "../../src/kernel/options/connection-options.ts";
import { applyRtoMax, readRtoMax } from "../../src/kernel/options/rto-max.ts";
import { openPort } from "../../src/kernel/port/open-port.ts";
import type { SystemPort } from "../../src/kernel/port/port.ts";
import { descriptorOf } from "../../src/kernel/process/descriptor.ts";
import { loopbackPair, type Pair } from "./loopback.ts";

const [IPPROTO_TCP, TCP_KEEPCNT] = [6, 6];

/** What a program may have set before it is watched. */
const OWN: Readonly<Record<string, (socket: Socket) => void>> = {
  nothing: () => {},
  "a keepalive that ends after one probe": (socket) =>
    void setKeepalive(socket, { idleMs: 5000, intervalMs: 1000, count: 1 }),
  "a short user timeout and a cap": (socket) => {
    setKeepalive(socket, { idleMs: 77_000, intervalMs: 11_000, count: 5 });
    setUserTimeout(socket, 2000);
    if (readRtoMax(descriptorOf(socket)) !== null) applyRtoMax(descriptorOf(socket), 1500);
  },
  "keepalive through Node": (socket) => void socket.setKeepAlive(true, 30_000),
};

const throwing = { intervalMs: 100, make: () => new Throwing() as never };
class Throwing {
  heard(): void {}
  stalled(): void {}
  nextDeadline(): number {
    throw new Error("a detector's own fault");
  }
  verdict(): string {
    throw new Error("a detector's own fault");
  }
}

/** Each way in which a watch of a socket that lives on ends. */
const WAYS: Readonly<Record<string, (pair: Pair) => Promise<void> | void>> = {
  "closed at once": ({ client }) => watch(client).close(),
  "closed after some checks": async ({ client }) => {
    const w = watch(client, { detectWithinMs: 2500 });
    await sleep(1300);
    w.close();
  },
  aborted: ({ client }) => {
    const abort = new AbortController();
    watch(client, { signal: abort.signal });
    abort.abort();
  },
  disposed: ({ client }) => watch(client)[Symbol.dispose](),
  "only reporting": ({ client }) => watch(client, { onDead: "report" }).close(),
  "long budgets": ({ client }) => watch(client, { detectWithinMs: 86_400_000 }).close(),
  "taken over by a watch that only reports": ({ client }) => {
    const strong = watch(client, { detectWithinMs: 600_000 });
    const report = watch(client, { detectWithinMs: 5000, onDead: "report" });
    strong.close();
    report.close();
  },
  "joined and left by others": async ({ client }) => {
    const watches = [20_000, 2500, 600_000, 10_000].map((detectWithinMs) =>
      watch(client, { detectWithinMs }),
    );
    await sleep(50);
    for (const w of watches) w.close();
  },
  "joined while data was in flight": async ({ client, accepted }) => {
    accepted.pause();
    const first = watch(client, { detectWithinMs: 600_000 });
    client.write("x".repeat(1000));
    await sleep(20);
    const second = watch(client, { detectWithinMs: 2500 });
    first.close();
    await sleep(20);
    second.close();
  },
  "after its program ended its side": async ({ client }) => {
    const w = watch(client);
    client.end();
    await once(client, "finish");
    const joined = watch(client, { detectWithinMs: 2500 });
    w.close();
    joined.close();
  },
  "whose heartbeat throws": async ({ client }) => {
    const heartbeat = (): never => {
      throw new Error("a heartbeat's own fault");
    };
    const w = watch(client, { detectWithinMs: 2500, heartbeat, expect: "host" });
    await sleep(1300);
    w.close();
  },
  "whose detector throws": async ({ client }) => {
    const w = watch(client, { heartbeat: async () => {}, detector: throwing } as WatchOptions);
    await once(w, "unwatched");
  },
  "of a server": async ({ client, server }) => {
    watchServer(server).close();
    expect(client.destroyed).toBe(false);
  },
};

afterEach(() => {
  vi.restoreAllMocks();
});

function optionsOf(socket: Socket): ConnectionOptions {
  return readOptions(descriptorOf(socket));
}

describe.each(Object.keys(OWN))("on a connection on which the program had set %s", (own) => {
  it.concurrent.for(Object.keys(WAYS))(
    "a watch leaves it as it was: %s",
    async (way, { expect }) => {
      await using pair = await loopbackPair({ allowHalfOpen: true });
      OWN[own]?.(pair.client);
      const before = optionsOf(pair.client);
      await WAYS[way]?.(pair);
      // What a probe under way forbids is put back once it is answered.
      await expect.poll(() => optionsOf(pair.client), { timeout: 5000 }).toEqual(before);
    },
  );

  it("a watch that the kernel refuses an option leaves user timeout, cap and switch as they were", async () => {
    await using pair = await loopbackPair();
    OWN[own]?.(pair.client);
    const { keepalive, ...before } = optionsOf(pair.client);
    const port = openPort() as SystemPort;
    const { setsockopt } = port;
    vi.spyOn(port, "setsockopt").mockImplementation((fd, level, option, value) =>
      level === IPPROTO_TCP && option === TCP_KEEPCNT ? -1 : setsockopt(fd, level, option, value),
    );
    const w = watch(pair.client, { detectWithinMs: 5000 });
    expect(w.applied?.level).not.toBe("kernel");
    expect(optionsOf(pair.client)).toMatchObject(before);
    w.close();
    const after = optionsOf(pair.client);
    expect(after).toMatchObject(before);
    expect(after.keepalive.enabled).toBe(keepalive.enabled);
  });
});
