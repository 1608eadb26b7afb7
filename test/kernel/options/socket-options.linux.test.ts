import { once } from "node:events";
import { connect as connectHttp2, createServer as createHttp2Server } from "node:http2";
import type { AddressInfo, Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { connect as connectTls, createServer as createTlsServer } from "node:tls";
import { afterEach, describe, expect, it } from "vitest";
import {
  getKeepalive,
  getUserTimeout,
  HalfOpenError,
  nudge,
  readTcpInfo,
  setKeepalive,
  setUserTimeout,
} from "../../../src/index.ts";
import { LAB_CERTIFICATE, LAB_KEY } from "../../../src/lab/certificate.ts";
import { loopbackPair } from "../../watch/loopback.ts";

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function client(): Promise<Socket> {
  const pair = await loopbackPair();
  ends.push(pair.dispose);
  return pair.client;
}

function codeOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof HalfOpenError) return error.code;
    throw error;
  }
  return "nothing was thrown";
}

describe("keepalive", () => {
  it("is set and read back as the kernel holds it", async () => {
    const socket = await client();
    const wanted = { idleMs: 5000, intervalMs: 2000, count: 3 };
    expect(setKeepalive(socket, wanted)).toEqual({ enabled: true, ...wanted });
    expect(getKeepalive(socket)).toEqual({ enabled: true, ...wanted });
    expect(setKeepalive(socket, false).enabled).toBe(false);
  });

  it("rounds fractions of a second up and returns the rounded times", async () => {
    expect(setKeepalive(await client(), { idleMs: 5500, intervalMs: 1001, count: 2 })).toEqual({
      enabled: true,
      idleMs: 6000,
      intervalMs: 2000,
      count: 2,
    });
  });

  it.each([
    { idleMs: 500, intervalMs: 1000, count: 3 },
    { idleMs: 32_768_000, intervalMs: 1000, count: 3 },
    { idleMs: 1000, intervalMs: 0, count: 3 },
    { idleMs: 1000, intervalMs: Number.NaN, count: 3 },
    { idleMs: 1000, intervalMs: 1000, count: 0 },
    { idleMs: 1000, intervalMs: 1000, count: 128 },
    { idleMs: 1000, intervalMs: 1000, count: 1.5 },
    { idleMs: "1s", intervalMs: 1000, count: 1 },
    null,
  ])("refuses %j and leaves the socket as it was", async (settings) => {
    const socket = await client();
    const before = getKeepalive(socket);
    expect(codeOf(() => setKeepalive(socket, settings as never))).toBe("ERR_OPTION_RANGE");
    expect(getKeepalive(socket)).toEqual(before);
  });
});

describe("the user timeout", () => {
  it("is set, read back, and taken off", async () => {
    const socket = await client();
    expect(setUserTimeout(socket, 12_345)).toBe(12_345);
    expect(getUserTimeout(socket)).toBe(12_345);
    expect(setUserTimeout(socket, 0)).toBe(0);
  });

  it.each([-1, 0.5, Number.NaN, 2 ** 31, "1s"])("refuses %s", async (ms) => {
    const socket = await client();
    expect(codeOf(() => setUserTimeout(socket, ms as number))).toBe("ERR_OPTION_RANGE");
  });
});

describe("the descriptor", () => {
  async function tlsPort(): Promise<number> {
    const server = createTlsServer({ cert: LAB_CERTIFICATE, key: LAB_KEY }, (socket) =>
      socket.on("error", () => {}).resume(),
    );
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    ends.push(() => server.close());
    return (server.address() as AddressInfo).port;
  }

  it("is found for a TLS socket, and for TLS over a socket", async () => {
    const port = await tlsPort();
    const direct = connectTls({ port, host: "127.0.0.1", rejectUnauthorized: false });
    ends.push(() => direct.destroy());
    await once(direct, "secureConnect");
    expect(readTcpInfo(direct).state).toBe("ESTABLISHED");
    const { connect } = await import("node:net");
    const under = connect(port, "127.0.0.1");
    const over = connectTls({ socket: under, rejectUnauthorized: false });
    ends.push(() => over.destroy());
    await once(over, "secureConnect");
    expect(setKeepalive(over, { idleMs: 3000, intervalMs: 1000, count: 2 }).idleMs).toBe(3000);
    expect(getKeepalive(under).idleMs).toBe(3000);
  });

  it("is found for the socket of an http2 session", async () => {
    const server = createHttp2Server();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const session = connectHttp2(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    ends.push(
      () => server.close(),
      () => session.destroy(),
    );
    await once(session, "connect");
    expect(readTcpInfo(session.socket).state).toBe("ESTABLISHED");
  });

  it("is refused for a closed socket and for anything but a socket", async () => {
    const socket = await client();
    socket.destroy();
    expect(codeOf(() => readTcpInfo(socket))).toBe("ERR_NOT_CONNECTED");
    for (const nothing of [undefined, null, 7, {}, process.stdin])
      expect(codeOf(() => readTcpInfo(nothing))).toMatch(/ERR_NOT_(SUPPORTED|CONNECTED)/);
  });
});

describe("a nudge", () => {
  it("is answered by a silent peer within milliseconds and leaves the options as they were", async () => {
    const socket = await client();
    await sleep(1100);
    const before = getKeepalive(socket);
    const asked = await nudge(socket);
    expect(asked).toMatchObject({ answered: true, sent: true });
    expect(asked.rttMs).toBeLessThan(100);
    expect(getKeepalive(socket)).toEqual(before);
  });

  it.each([300, 800, 1200])("is answered even when this process reads %d ms late", async (ms) => {
    const socket = await client();
    await sleep(1100);
    const asking = nudge(socket);
    for (const until = performance.now() + ms; performance.now() < until; );
    expect(await asking).toMatchObject({ answered: true, sent: true });
  });

  it("says why nothing could be sent", async () => {
    const socket = await client();
    expect(await nudge(socket)).toMatchObject({
      answered: false,
      sent: false,
      why: expect.stringContaining("1 s of silence"),
    });
    setUserTimeout(socket, 3000);
    await sleep(1100);
    expect(await nudge(socket)).toMatchObject({
      sent: false,
      why: expect.stringContaining("user timeout"),
    });
  });

  it("is answered under a user timeout that could not end the connection meanwhile", async () => {
    const socket = await client();
    setUserTimeout(socket, 60_000);
    await sleep(1100);
    expect(await nudge(socket)).toMatchObject({ answered: true, sent: true });
    expect(getUserTimeout(socket)).toBe(60_000);
  });

  it.each([0, 9, 60_001, Number.NaN])("refuses a timeout of %s ms", async (timeoutMs) => {
    await expect(nudge(await client(), { timeoutMs })).rejects.toMatchObject({
      code: "ERR_OPTION_RANGE",
    });
  });
});
