import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { expect, it, vi } from "vitest";
import { watchNodeRedis } from "../../../src/heartbeat/index.ts";
import { describeWith } from "../../setup/requires.ts";
import { type NodeRedis, nodeRedis, REDIS_BUDGET_MS, RedisServer } from "../redis.ts";

/** Runs `use` with a client of a Redis server, and ends both after it. */
async function withClient(
  use: (client: NodeRedis, address: string) => Promise<void>,
): Promise<void> {
  await using server = await RedisServer.start();
  const client = nodeRedis(server.port);
  try {
    await use(client, `127.0.0.1:${server.port}`);
  } finally {
    client.destroy();
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

  it("sends no PING when the client hides its commands, as before 5.11, unless `canAsk` is given", () =>
    withClient(async (client) => {
      Object.assign(client, { _getQueue: undefined });
      const blind = watchNodeRedis(client, { detectWithinMs: REDIS_BUDGET_MS });
      await client.connect();
      const ping = vi.spyOn(client, "ping");
      const answer = client.blPop("jobs", 2 * (REDIS_BUDGET_MS / 1000));
      expect(await answer).toBeNull();
      expect(ping).not.toHaveBeenCalled();
      expect(blind.current?.state).toBe("alive");
      blind.close();
      client.destroy();

      const asking = watchNodeRedis(client, {
        detectWithinMs: REDIS_BUDGET_MS,
        canAsk: () => true,
      });
      await client.connect();
      await expect
        .poll(() => ping.mock.calls.length, { timeout: REDIS_BUDGET_MS })
        .toBeGreaterThan(0);
      asking.close();
    }));

  it("follows each client of several through its reconnect, whoever ended the connection", async () => {
    await using server = await RedisServer.start();
    const sockets: Socket[] = [];
    const onSocket = (message: unknown): void => {
      sockets.push((message as { socket: Socket }).socket);
    };
    subscribe("net.client.socket", onSocket);
    const clients = [1, 2, 3].map(() => nodeRedis(server.port));
    const watches = clients.map((client) =>
      watchNodeRedis(client, { detectWithinMs: REDIS_BUDGET_MS }),
    );
    const areWatched = async (): Promise<void> => {
      const addresses = await Promise.all(
        clients.map(async (client) => {
          const info = String(await client.sendCommand(["CLIENT", "INFO"]));
          return / addr=(\S+)/.exec(info)?.[1];
        }),
      );
      expect(watches.map(({ current }) => current?.diagnosis.local)).toEqual(addresses);
    };
    for (const client of clients) await client.connect();
    await areWatched();

    const deaths = Promise.all(watches.map((watch) => once(watch, "dead")));
    server.process.kill("SIGSTOP");
    await deaths;
    server.process.kill("SIGCONT");
    await areWatched();

    // A write of the program's that fails comes from the program too
    await Promise.all(
      sockets.splice(-3).map((socket) => once(socket.destroy(new Error("EPIPE")), "close")),
    ).catch(() => {});
    await areWatched();
    unsubscribe("net.client.socket", onSocket);
    for (const watch of watches) watch.close();
    for (const client of clients) client.destroy();
  });

  it("ignores sockets that the program opens in the client's listeners", async () => {
    const other = createServer((socket) => socket.on("error", () => {}).resume()).listen(
      0,
      "127.0.0.1",
    );
    await once(other, "listening");
    await withClient(async (client, address) => {
      const watch = watchNodeRedis(client);
      const opened = new Promise<Socket>((resolve) =>
        client.on("ready", () =>
          resolve(connect((other.address() as AddressInfo).port, "127.0.0.1")),
        ),
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
