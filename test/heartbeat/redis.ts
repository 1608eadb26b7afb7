import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";
import { createClient } from "redis";
import {
  type ClientWatch,
  type ClientWatchOptions,
  watchIoredis,
  watchNodeRedis,
} from "../../src/heartbeat/index.ts";

export const REDIS_BUDGET_MS = 2500;

/** Returns a port that nothing listens on now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

/** A Redis server for one test. */
export class RedisServer implements AsyncDisposable {
  readonly port: number;
  readonly process: ChildProcess;

  private constructor(port: number) {
    this.port = port;
    this.process = spawn(
      "redis-server",
      ["--port", `${port}`, "--bind", "127.0.0.1", "--save", "", "--enable-debug-command", "yes"],
      {
        stdio: "ignore",
      },
    );
  }

  static async start(): Promise<RedisServer> {
    const server = new RedisServer(await freePort());
    await using admin = server.plain();
    await admin.redis.ping();
    return server;
  }

  /** Connects a client without a watch. */
  plain(): { readonly redis: Redis } & AsyncDisposable {
    const redis = new Redis(this.port, { retryStrategy: () => 50, maxRetriesPerRequest: null });
    redis.on("error", () => {});
    return { redis, [Symbol.asyncDispose]: async () => redis.disconnect() };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const gone = once(this.process, "exit");
    this.process.kill("SIGKILL");
    await gone;
  }
}

/** A watched client, and the events of its watch. */
export class Watched<Client> implements Disposable {
  readonly client: Client;
  readonly watch: ClientWatch;
  readonly said: string[] = [];
  /** Resolves with the cause when the peer is found dead. */
  readonly dead: Promise<string>;
  readonly #end: () => void;

  constructor(client: Client, watch: ClientWatch, end: () => void) {
    this.client = client;
    this.watch = watch;
    this.#end = end;
    for (const event of ["suspect", "dead", "close"] as const)
      watch.on(event, ({ cause }) => this.said.push(`${event} ${cause}`));
    this.dead = new Promise((resolve) => watch.on("dead", ({ cause }) => resolve(cause)));
  }

  [Symbol.dispose](): void {
    this.watch.close();
    this.#end();
  }
}

export async function watchedIoredis(
  port: number,
  detectWithinMs: number = REDIS_BUDGET_MS,
  options: ClientWatchOptions = {},
): Promise<Watched<Redis>> {
  const redis = new Redis(port, { retryStrategy: () => 200, maxRetriesPerRequest: null });
  redis.on("error", () => {});
  const watched = new Watched(redis, watchIoredis(redis, { detectWithinMs, ...options }), () =>
    redis.disconnect(),
  );
  await redis.ping();
  return watched;
}

export type NodeRedis = ReturnType<typeof nodeRedis>;

export function nodeRedis(port: number) {
  const client = createClient({
    socket: { host: "127.0.0.1", port, reconnectStrategy: () => 100 },
  });
  client.on("error", () => {});
  return client;
}

export async function watchedNodeRedis(
  port: number,
  detectWithinMs: number = REDIS_BUDGET_MS,
  options: ClientWatchOptions = {},
): Promise<Watched<NodeRedis>> {
  const client = nodeRedis(port);
  const watched = new Watched(client, watchNodeRedis(client, { detectWithinMs, ...options }), () =>
    client.destroy(),
  );
  await client.connect();
  return watched;
}

/** Resolves with `undefined` if `ms` pass first. */
export async function within<Value>(ms: number, value: Promise<Value>): Promise<Value | undefined> {
  return Promise.race([value, sleep(ms, undefined, { ref: false })]);
}
