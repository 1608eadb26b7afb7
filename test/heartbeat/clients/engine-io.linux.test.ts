import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { listen } from "engine.io";
import { Socket } from "engine.io-client";
import { describe, expect, it } from "vitest";
import { watchEngineIo, watchEngineIoServer } from "../../../src/heartbeat/index.ts";

async function serve(): Promise<{ server: ReturnType<typeof listen>; url: string }> {
  const server = listen(0);
  const http = server.httpServer as import("node:http").Server;
  await once(http, "listening");
  return { server, url: `ws://127.0.0.1:${(http.address() as AddressInfo).port}` };
}

describe("the watch of an engine.io socket", () => {
  it("begins once, with the upgrade to a WebSocket, at both ends", async () => {
    const { server, url } = await serve();
    const accepted = watchEngineIoServer(server);
    const socket = new Socket(url);
    const watch = watchEngineIo(socket);
    const ends: string[] = [];
    watch.on("close", ({ cause }) => ends.push(`client ${cause}`));
    accepted.on("close", ({ cause }) => ends.push(`server ${cause}`));
    await new Promise<void>((resolve) => socket.once("open", resolve));
    expect(watch.current).toBeNull(); // polling
    await new Promise<void>((resolve) => socket.once("upgrade", () => resolve()));
    await expect.poll(() => accepted.current?.state).toBe("alive");
    expect(watch.current?.state).toBe("alive");
    const late = watchEngineIoServer(server);
    expect(late.currents.map(({ state }) => state)).toEqual(["alive"]);
    late.close();
    socket.close();
    await expect.poll(() => ends.length).toBe(2);
    await sleep(50);
    expect(ends.map((end) => end.split(" ")[0]).sort()).toEqual(["client", "server"]);
    accepted.close();
    server.close();
    (server.httpServer as import("node:http").Server).close();
  });

  it("does not watch polling", async () => {
    const { server, url } = await serve();
    const socket = new Socket(url, { transports: ["polling"] });
    const watch = watchEngineIo(socket);
    await new Promise<void>((resolve) => socket.once("open", resolve));
    await sleep(100);
    expect(watch.current).toBeNull();
    socket.close();
    server.close();
    (server.httpServer as import("node:http").Server).close();
  });
});
