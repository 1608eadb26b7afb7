import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import type { HalfOpenError } from "../../../src/core/errors.ts";
import type { FrameChannel } from "../../../src/heartbeat/frames/frame-channel.ts";
import { agreeOn } from "../../../src/heartbeat/frames/frame-greeting.ts";
import { frameHeartbeat } from "../../../src/heartbeat/frames/frame-heartbeat.ts";
import { lengthPrefixed } from "../../../src/heartbeat/frames/length-prefixed.ts";
import { newline } from "../../../src/heartbeat/frames/newline.ts";

const opened: { destroy(): unknown }[] = [];
afterEach(() => {
  for (const one of opened.splice(0)) one.destroy();
});

/** Two ends of one loopback connection. */
async function sockets(): Promise<[Socket, Socket]> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const port = (server.address() as { port: number }).port;
  const near = connect(port, "127.0.0.1");
  const [far] = (await once(server, "connection")) as [Socket];
  server.close();
  for (const socket of [near, far]) opened.push(socket.on("error", () => {}));
  return [near, far];
}

async function channels(): Promise<[FrameChannel<string>, FrameChannel<string>]> {
  const [near, far] = await sockets();
  return [frameHeartbeat(near, newline()), frameHeartbeat(far, newline())];
}

/** A channel, and the raw socket at its other end, which the test drives. */
async function againstRaw(
  helloWithinMs = 10_000,
): Promise<{ channel: FrameChannel<string>; raw: Socket; failure: Promise<HalfOpenError> }> {
  const [near, raw] = await sockets();
  const channel = frameHeartbeat(near, newline(), { helloWithinMs });
  const failure = once(channel, "error").then(([error]) => error as HalfOpenError);
  failure.catch(() => {});
  return { channel, raw, failure };
}

const HELLO = "\u0010HELLO halfopen 1-1\n";

describe("frameHeartbeat", () => {
  it("carries messages both ways, and heartbeats between them that the programs never see", async () => {
    const [near, far] = await channels();
    const [atNear, atFar]: [string[], string[]] = [[], []];
    near.on("data", (line) => atNear.push(line));
    far.on("data", (line) => atFar.push(line));
    const sent = Array.from({ length: 300 }, (_, i) =>
      i % 7 === 0 ? `\u0010PING ${i}` : `line ${i}`,
    );
    for (const line of sent) {
      near.write(line);
      far.write(line);
      if (line.endsWith("0")) await Promise.all([near.heartbeat(), far.heartbeat()]);
    }
    await Promise.all([near.heartbeat(), far.heartbeat()]);
    expect({ atNear, atFar }).toEqual({ atNear: sent, atFar: sent });
    expect({ near: near.version, far: far.version }).toEqual({ near: 1, far: 1 });
  });

  it("delivers binary messages unchanged, also empty ones", async () => {
    const [near, far] = await sockets();
    const a = frameHeartbeat(near, lengthPrefixed());
    const b = frameHeartbeat(far, lengthPrefixed());
    const got: Buffer[] = [];
    b.on("data", (message) => got.push(message));
    const sent = [Buffer.alloc(0), Buffer.alloc(300_000, 7), Buffer.from("x")];
    for (const message of sent) a.write(message);
    a.end();
    await once(b, "end");
    expect(got).toEqual(sent);
  });

  it("pauses the writer while the reader does not read, skips heartbeats meanwhile, and loses no message", async () => {
    const [near, far] = await channels();
    const line = "x".repeat(60_000);
    let written = 0;
    const write = async (count: number): Promise<void> => {
      for (let i = 0; i < count; i++) {
        written++;
        if (!near.write(line)) await once(near, "drain");
      }
    };
    await near.heartbeat();
    const writing = write(2000); // 120 MB: no system buffers as much
    await sleep(600);
    const stuckAt = written;
    await sleep(300);
    expect(written).toBe(stuckAt);
    expect(stuckAt).toBeLessThan(2000);
    expect(far.readableLength).toBeLessThan(100);
    // The peer's process lives but does not read: a ping would wait behind unread messages
    expect(near.heartbeat()).toBeUndefined();
    let received = 0;
    far.on("data", () => received++);
    await writing;
    near.end();
    await once(far, "end");
    expect(received).toBe(2000);
  });

  it("expects no answer from a peer that does not read, not even to an open ping, and pings again once it reads", async () => {
    const [near, far] = await channels();
    await near.heartbeat();
    for (let i = 0; i < 40; i++) near.write(`unread ${i}`);
    await expect(near.heartbeat()).resolves.toBeUndefined(); // answered, or resolved by the PAUSE
    await sleep(400);
    expect(near.heartbeat()).toBeUndefined();
    const lines: string[] = [];
    far.on("data", (line) => lines.push(line));
    await sleep(100);
    await near.heartbeat();
    expect(lines.length).toBe(40);
  });

  it("owes one answer, not a heap of them, to a peer that keeps pinging and does not read", async () => {
    const { channel, raw } = await againstRaw();
    raw.pause();
    raw.write(HELLO);
    const pings = Buffer.from(
      Array.from({ length: 20_000 }, (_, i) => `\u0010PING ${i + 1}\n`).join(""),
    );
    channel.on("error", () => {});
    for (let round = 0; round < 50; round++)
      if (!raw.write(pings)) await Promise.race([once(raw, "drain"), sleep(50)]);
    await sleep(200);
    const source = opened[0] as Socket;
    expect(source.writableLength).toBeLessThan(1_000_000);
  });

  it("keeps received messages readable after the peer has ended", async () => {
    const [near, far] = await channels();
    for (let i = 0; i < 30; i++) near.write(`last ${i}`);
    near.end();
    await sleep(200);
    const lines: string[] = [];
    for await (const line of far) lines.push(line as string);
    expect(lines.length).toBe(30);
  });

  it("rejects an open ping when the stream closes, and every later ping", async () => {
    const { channel, raw } = await againstRaw();
    raw.write(HELLO);
    const answer = channel.heartbeat();
    channel.on("error", () => {});
    await sleep(50);
    raw.destroy();
    await expect(answer).rejects.toMatchObject({ code: "ERR_NOT_CONNECTED" });
    channel.destroy();
    await expect(channel.heartbeat()).rejects.toMatchObject({ code: "ERR_NOT_CONNECTED" });
  });

  it("ends with the error of the connection", async () => {
    const [near, far] = await channels();
    far.on("error", () => {});
    const failed = once(near, "error");
    (opened[0] as Socket).destroy(new Error("the verdict"));
    expect((await failed)[0]).toMatchObject({ message: "the verdict" });
    expect(near.destroyed).toBe(true);
  });

  it("does not take a stall of its own process for a silent peer", async () => {
    const { channel, raw, failure } = await againstRaw(300);
    let isFailed = false;
    void failure.then(() => {
      isFailed = true;
    });
    raw.write(HELLO);
    const until = performance.now() + 900;
    while (performance.now() < until);
    await sleep(300);
    expect(isFailed).toBe(false);
    expect(channel.version).toBe(1);
  });
});

describe("a peer that cannot be understood", () => {
  it.each([
    ["sends nothing", 200, (_: Socket) => {}, /no greeting within 200 ms/],
    [
      "speaks another protocol",
      10_000,
      (raw: Socket) => raw.write("HTTP/1.1 400 Bad Request\r\n\r\n"),
      /something else before the greeting/,
    ],
    [
      "echoes",
      10_000,
      (raw: Socket) => raw.write("\u0010HELLO somebody 1-1\n"),
      /something else before the greeting/,
    ],
    [
      "speaks later versions only",
      10_000,
      (raw: Socket) => raw.write("\u0010HELLO halfopen 2-3\n"),
      /speaks versions 2-3.*this one 1-1/,
    ],
    [
      "ends at once",
      10_000,
      (raw: Socket) => raw.end(),
      /ended the connection before its greeting/,
    ],
    [
      "ends inside a frame",
      10_000,
      (raw: Socket) => raw.end(`${HELLO}half a li`),
      /inside a frame/,
    ],
    [
      "answers a ping that was never sent",
      10_000,
      (raw: Socket) => raw.write(`${HELLO}\u0010PONG 7\n`),
      /answered ping 7, and 0 were sent/,
    ],
    [
      "sends an unknown control frame",
      10_000,
      (raw: Socket) => raw.write(`${HELLO}\u0010EXPLODE\n`),
      /does not have: "EXPLODE"/,
    ],
    [
      "sends an endless line",
      10_000,
      (raw: Socket) => raw.write(HELLO + "x".repeat(70_000)),
      /longer than 65536 bytes/,
    ],
  ])(
    "%s: the stream ends with ERR_PROTOCOL and the reason",
    async (_, helloWithinMs, act, message) => {
      const { channel, raw, failure } = await againstRaw(helloWithinMs);
      channel.resume();
      act(raw);
      const error = await failure;
      expect(error.code).toBe("ERR_PROTOCOL");
      expect(error.message).toMatch(message);
      expect(channel.destroyed).toBe(true);
    },
  );

  it("ends the source with the same error, for listeners of the socket itself", async () => {
    const [near, raw] = await sockets();
    const failed = once(near, "error");
    const channel = frameHeartbeat(near, newline()).on("error", () => {});
    raw.write("who are you?\n");
    expect((await failed)[0]).toMatchObject({ code: "ERR_PROTOCOL" });
    expect(channel.destroyed).toBe(true);
  });

  it("counts the time for the greeting from the connection, however long connecting takes", async () => {
    const server = createServer((far) => opened.push(frameHeartbeat(far, newline()))).listen(
      0,
      "127.0.0.1",
    );
    opened.push({ destroy: () => server.close() });
    await once(server, "listening");
    const near = connect({
      port: (server.address() as { port: number }).port,
      host: "slow.example",
      lookup: (_host, _options, done) =>
        setTimeout(() => done(null, [{ address: "127.0.0.1", family: 4 }]), 400),
    });
    const channel = frameHeartbeat(near, newline(), { helloWithinMs: 100 });
    opened.push(channel.on("error", () => {}));
    await channel.heartbeat();
    expect(channel.version).toBe(1);
  });

  it("agrees on the highest version that both ranges share", () => {
    expect(agreeOn("HELLO halfopen 1-4", { least: 2, most: 3 })).toBe(3);
    expect(agreeOn("HELLO halfopen 2-2", { least: 1, most: 3 })).toBe(2);
    expect(() => agreeOn("HELLO halfopen 4-5", { least: 1, most: 3 })).toThrow(
      /versions 4-5.*this one 1-3/,
    );
    expect(agreeOn("GOODBYE")).toBeNull();
  });
});

describe("misuse", () => {
  it("is refused with the argument and the reason", async () => {
    const [near] = await sockets();
    expect(() => frameHeartbeat({} as never, newline())).toThrow(
      /source must be a net.Socket or another Duplex, got object/,
    );
    expect(() => frameHeartbeat(near, {} as never)).toThrow(/codec has no encodeMessage\(\)/);
    expect(() => frameHeartbeat(near, newline(), { helloWithinMs: 5 })).toThrow(
      /helloWithinMs must be .* from 100 to 3600000, got 5/,
    );
    near.destroy();
    expect(() => frameHeartbeat(near, newline())).toThrow(
      expect.objectContaining({ code: "ERR_NOT_CONNECTED" }),
    );
  });

  it("with a bad message fails the write and ends the stream with ERR_OPTION_RANGE", async () => {
    const [near] = await channels();
    const failed = once(near, "error");
    near.write("two\nlines");
    expect((await failed)[0]).toMatchObject({ code: "ERR_OPTION_RANGE" });
  });

  it("with a codec that throws for a control frame ends the stream, not the process", async () => {
    const [near] = await sockets();
    const broken = {
      ...newline(),
      encodeControl: () => {
        throw new Error("my codec");
      },
    };
    const channel = frameHeartbeat(near, broken);
    expect((await once(channel, "error"))[0]).toMatchObject({ message: "my codec" });
  });
});
