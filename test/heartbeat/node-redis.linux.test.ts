import { spawn } from "node:child_process";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { createClient } from "redis";
import { expect, it } from "vitest";
import { watchNodeRedis } from "../../src/heartbeat/index.ts";
import { describeWith } from "../setup/requires.ts";

/** A port that nothing listens on now. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

function clientOf(port: number) {
  return createClient({ socket: { host: "127.0.0.1", port, reconnectStrategy: () => 100 } });
}

/** A client of a Redis server, both gone with the end of `use`. */
async function withClient(use: (client: ReturnType<typeof clientOf>, address: string) => Promise<void>): Promise<void> {
  const port = await freePort();
  const redis = spawn("redis-server", ["--port", `${port}`, "--bind", "127.0.0.1", "--save", ""], { stdio: "ignore" });
  const client = clientOf(port);
  client.on("error", () => {});
  try {
    await use(client, `127.0.0.1:${port}`);
  } finally {
    client.destroy();
    redis.kill();
  }
}

await describeWith(["redis-server"], "the watch of a node-redis client", () => {
  it("goes on when another watch of the same client, begun before it, ends", () =>
    withClient(async (client, address) => {
      const first = watchNodeRedis(client);
      const second = watchNodeRedis(client);
      first.close();
      await client.connect();
      expect(second.current?.diagnosis.remote).toBe(address);
      expect(first.current).toBeNull();
      second.close();
    }));

  it("is not of what the program opens in the client's listeners", async () => {
    const other = createServer((socket) => socket.on("error", () => {}).resume()).listen(0, "127.0.0.1");
    await once(other, "listening");
    await withClient(async (client, address) => {
      const watch = watchNodeRedis(client);
      const opened = new Promise<Socket>((resolve) =>
        client.on("ready", () => resolve(connect((other.address() as AddressInfo).port, "127.0.0.1"))),
      );
      await client.connect();
      const socket = await opened;
      await once(socket, "connect");
      expect(watch.current?.diagnosis.remote).toBe(address);
      socket.destroy();
      watch.close();
    });
    other.close();
  });
});
