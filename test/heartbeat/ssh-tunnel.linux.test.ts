import { generateKeyPairSync } from "node:crypto";
import { type EventEmitter, once } from "node:events";
import { type AddressInfo, connect } from "node:net";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";
import { expect, it } from "vitest";
import { watchIoredis } from "../../src/heartbeat/index.ts";
import { describeWith } from "../setup/requires.ts";
import { REDIS_BUDGET_MS, RedisServer } from "./redis.ts";

const GRACE_MS = 1500;
const CLIENTS = new URL("../auto/clients/", import.meta.url).pathname;

/** Starts a server of ssh2, which forwards to any port of this host. Returns a connected client. */
async function sshClient(): Promise<{
  channelTo(port: number): Promise<Duplex>;
  isOpen(): boolean;
  end(): void;
}> {
  const { default: ssh } = await import(join(CLIENTS, "node_modules/ssh2/lib/index.js"));
  const { privateKey } = generateKeyPairSync("rsa", {
    modulusLength: 2048,
    privateKeyEncoding: { type: "pkcs1", format: "pem" },
    publicKeyEncoding: { type: "pkcs1", format: "pem" },
  });
  const server = new ssh.Server({ hostKeys: [privateKey] }, (client: EventEmitter) => {
    client.on("error", () => {});
    client.on("authentication", (context: { accept(): void }) => context.accept());
    client.on("tcpip", (accept: () => Duplex, _: unknown, { destPort }: { destPort: number }) => {
      const channel = accept().on("error", () => {});
      const upstream = connect(destPort, "127.0.0.1").on("error", () => {});
      channel.pipe(upstream).pipe(channel);
      channel.on("close", () => upstream.destroy());
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");

  let isOpen = true;
  const client = new ssh.Client()
    .on("error", () => {})
    .on("close", () => {
      isOpen = false;
    });
  const { port } = server.address() as AddressInfo;
  client.connect({ host: "127.0.0.1", port, username: "lab", password: "lab" });
  await once(client, "ready");
  return {
    channelTo: (port) =>
      new Promise((resolve, reject) =>
        client.forwardOut("127.0.0.1", 0, "127.0.0.1", port, (error: Error, channel: Duplex) =>
          error ? reject(error) : resolve(channel),
        ),
      ),
    isOpen: () => isOpen,
    end() {
      client.end();
      server.close();
    },
  };
}

await describeWith(
  ["redis-server", "other clients"],
  "clients over channels of an SSH tunnel",
  () => {
    it("are watched each, and a hung server ends its own channel only", {
      timeout: 60_000,
    }, async () => {
      await using hung = await RedisServer.start();
      await using lively = await RedisServer.start();
      const tunnel = await sshClient();
      const clients = [hung, lively].map(({ port }) => {
        const redis = new Redis({
          retryStrategy: () => null,
          maxRetriesPerRequest: 0,
          // Members of a socket that a channel has not
          noDelay: false,
          keepAlive: false as never,
          Connector: class {
            connecting = false;
            connect = () => tunnel.channelTo(port);
            check = () => true;
            disconnect() {}
          } as never,
        });
        redis.on("error", () => {});
        return { redis, watching: watchIoredis(redis, { detectWithinMs: REDIS_BUDGET_MS }) };
      });
      await Promise.all(clients.map(({ redis }) => redis.ping()));
      await sleep(2 * REDIS_BUDGET_MS);
      const levels = (): unknown[] =>
        clients.map(({ watching }) => watching.currents.map(({ applied }) => applied?.level));
      expect(levels()).toEqual([
        ["kernel", "heartbeat"],
        ["kernel", "heartbeat"],
      ]);

      const signal = AbortSignal.timeout(REDIS_BUDGET_MS + GRACE_MS);
      const died = once(clients[0]?.watching as never, "dead", { signal });
      hung.process.kill("SIGSTOP");
      expect((await died)[0]).toMatchObject({ cause: "peer-hung", certainty: "medium" });
      expect(tunnel.isOpen()).toBe(true);
      expect(await clients[1]?.redis.ping()).toBe("PONG");
      await expect.poll(levels).toEqual([[], ["kernel", "heartbeat"]]);
      for (const { redis, watching } of clients) {
        watching.close();
        redis.disconnect();
      }
      tunnel.end();
    });
  },
);
