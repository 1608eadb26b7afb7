import { createSocket } from "node:dgram";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer, Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Duplex } from "node:stream";
import { TLSSocket } from "node:tls";
import { afterEach, describe, expect, it } from "vitest";
import {
  HalfOpenError,
  setKeepalive,
  setUserTimeout,
  watch,
  watchServer,
} from "../../src/index.ts";
import { loopbackPair, type Pair } from "./loopback.ts";

let pair: Pair | undefined;
afterEach(async () => {
  await pair?.dispose();
  pair = undefined;
});

function codeOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    expect(error).toBeInstanceOf(HalfOpenError);
    expect((error as Error).message.length).toBeGreaterThan(20);
    return (error as HalfOpenError).code;
  }
  return "nothing was thrown";
}

describe("bad input is refused at the call", () => {
  it.each([undefined, null, 42, "socket", {}, new Duplex()])(
    "a value that is no socket: %s",
    (value) => {
      expect(codeOf(() => watch(value as never))).toBe("ERR_NOT_SUPPORTED");
    },
  );

  it("a UDP socket", () => {
    const udp = createSocket("udp4");
    expect(codeOf(() => watch(udp as never))).toBe("ERR_NOT_SUPPORTED");
    udp.close();
  });

  it("a destroyed socket", () => {
    const socket = new Socket();
    socket.destroy();
    expect(codeOf(() => watch(socket))).toBe("ERR_NOT_CONNECTED");
  });

  it("a Unix-domain socket", async () => {
    const folder = mkdtempSync(join(tmpdir(), "halfopen-"));
    const server = createServer().listen(join(folder, "s"));
    await once(server, "listening");
    const client = connect(join(folder, "s"));
    await once(client, "connect");
    expect(codeOf(() => watch(client))).toBe("ERR_NOT_SUPPORTED");
    client.destroy();
    server.close();
    rmSync(folder, { recursive: true });
  });

  it("TLS over a stream that is no socket", () => {
    const tls = new TLSSocket(new Duplex({ read() {}, write() {} }) as Socket);
    tls.on("error", () => {});
    expect(codeOf(() => watch(tls))).toBe("ERR_NOT_SUPPORTED");
    tls.destroy();
  });

  it.each([-1, 0, Number.NaN, Number.POSITIVE_INFINITY, 1e15, 2499, "5s", null])(
    "a budget of %s",
    async (detectWithinMs) => {
      pair = await loopbackPair();
      const { client } = pair;
      expect(codeOf(() => watch(client, { detectWithinMs: detectWithinMs as number }))).toBe(
        "ERR_OPTION_RANGE",
      );
    },
  );

  it.each([
    { expect: "process" as const },
    { expect: "kernel" as never },
    { onDead: "explode" as never },
    { zeroWindowToleranceMs: -5 },
    { heartbeat: "ping" as never },
    { signal: {} as never },
    { label: 7 as never },
    { detectWithin: 5000 } as never,
  ])("contradicting or unknown options: %j", async (options) => {
    pair = await loopbackPair();
    const { client } = pair;
    expect(codeOf(() => watch(client, options))).toBe("ERR_OPTION_RANGE");
  });

  it("values that the kernel cannot hold", async () => {
    pair = await loopbackPair();
    const { client } = pair;
    for (const idleMs of [-1, Number.NaN, 500, 1e12])
      expect(codeOf(() => setKeepalive(client, { idleMs, intervalMs: 1000, count: 3 }))).toBe(
        "ERR_OPTION_RANGE",
      );
    for (const ms of [-1, Number.NaN, 1e12])
      expect(codeOf(() => setUserTimeout(client, ms))).toBe("ERR_OPTION_RANGE");
  });

  it("a value that is no server", () => {
    expect(codeOf(() => watchServer({} as never))).toBe("ERR_NOT_SUPPORTED");
  });
});
