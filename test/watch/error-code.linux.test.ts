import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { getSystemErrorName } from "node:util";
import { afterEach, describe, expect, it } from "vitest";
import {
  DeadPeerError,
  HalfOpenError,
  type WatchOptions,
  watch,
  watchServer,
} from "../../src/index.ts";
import { loopbackPair, type Pair } from "./loopback.ts";

let pair: Pair;
afterEach(() => pair.dispose());

const BUDGET_MS = 2500;
const isRefused = expect.objectContaining({
  name: "HalfOpenError",
  code: "ERR_OPTION_RANGE",
  message: expect.stringContaining("errorCode"),
});

/** Resets a connection in a way that the event loop does not notice, and its watch does. */
async function deathOf(socket: Socket, peer: Socket): Promise<DeadPeerError> {
  const dying = once(socket, "error");
  const ends = once(socket.resume(), "end");
  peer.end();
  await ends;
  peer.resetAndDestroy();
  return ((await dying) as [DeadPeerError])[0];
}

async function errorWith(...all: WatchOptions[]): Promise<DeadPeerError> {
  pair = await loopbackPair({ allowHalfOpen: true });
  for (const options of all) watch(pair.client, { detectWithinMs: BUDGET_MS, ...options });
  return deathOf(pair.client, pair.accepted);
}

describe("the error of a dead peer", () => {
  it("has our code by default, and the peer's address", async () => {
    const error = await errorWith({});
    expect(error).toMatchObject({ code: "ERR_PEER_DEAD", address: "127.0.0.1" });
    expect(error.port).toBe((pair.server.address() as { port: number }).port);
    expect("errno" in error || "syscall" in error).toBe(false);
  });

  it.each(["ECONNRESET", "ETIMEDOUT", "EPIPE", "EHOSTUNREACH"] as const)(
    "looks as the kernel's own %s does, and stays ours",
    async (errorCode) => {
      const error = await errorWith({ errorCode });
      const { address, port } = pair.server.address() as { address: string; port: number };
      expect(error).toMatchObject({ code: errorCode, syscall: "read", address, port });
      expect(getSystemErrorName(error.errno as number)).toBe(errorCode);
      expect(error.message).toMatch(`read ${errorCode}: peer ${address}:${port} is dead`);
      expect(error).toBeInstanceOf(DeadPeerError);
      expect(error).toBeInstanceOf(HalfOpenError);
      expect(error).toMatchObject({ name: "DeadPeerError", halfopenCode: "ERR_PEER_DEAD" });
      expect(error.diagnosis).toMatchObject({ state: "dead", cause: "peer-reset" });
    },
  );

  it.each([
    ["the first watch", [{ errorCode: "ECONNRESET" }, {}]],
    ["the second", [{}, { errorCode: "ECONNRESET" }]],
    ["one of two with codes", [{ errorCode: "ERR_PEER_DEAD" }, { errorCode: "ECONNRESET" }]],
  ] as const)("has the system's code if %s of a socket asks for it", async (_, all) => {
    expect(await errorWith(...all)).toMatchObject({ code: "ECONNRESET" });
  });

  it("is the reason of the watch's signal, with the same code", async () => {
    pair = await loopbackPair({ allowHalfOpen: true });
    const { signal } = watch(pair.client, { detectWithinMs: BUDGET_MS, errorCode: "ETIMEDOUT" });
    await deathOf(pair.client, pair.accepted);
    expect(signal.reason).toMatchObject({ code: "ETIMEDOUT", halfopenCode: "ERR_PEER_DEAD" });
  });

  it("has the code that the watch of the server asks for", async () => {
    pair = await loopbackPair({ allowHalfOpen: true });
    using _ = watchServer(pair.server, { detectWithinMs: BUDGET_MS, errorCode: "EPIPE" });
    const { address, port } = pair.server.address() as { address: string; port: number };
    const accepting = once(pair.server, "connection");
    const client = connect({ port, host: address, allowHalfOpen: true });
    client.on("error", () => {});
    const [accepted] = (await accepting) as [Socket];
    await sleep(0);
    expect(await deathOf(accepted, client)).toMatchObject({ code: "EPIPE", syscall: "read" });
  });
});

describe("an errorCode that is no code of this system is refused:", () => {
  it.each(["econnreset", "ERESET", "EAI_AGAIN", "EOF", "", "ERR_OPTION_RANGE", 104, null, {}, []])(
    "%j",
    async (errorCode) => {
      pair = await loopbackPair();
      const { client, server } = pair;
      expect(() => watch(client, { errorCode: errorCode as never })).toThrow(isRefused);
      expect(() => watchServer(server, { errorCode: errorCode as never })).toThrow(isRefused);
    },
  );
});
