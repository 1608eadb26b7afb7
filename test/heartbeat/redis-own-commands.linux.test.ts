import { setTimeout as sleep } from "node:timers/promises";
import { Command, type Redis } from "ioredis";
import { expect, it } from "vitest";
import { graceMs } from "../setup/grace.ts";
import { describeWith } from "../setup/requires.ts";
import {
  type NodeRedis,
  REDIS_BUDGET_MS,
  RedisServer,
  type Watched,
  watchedIoredis,
  watchedNodeRedis,
  within,
} from "./redis.ts";

/** Long enough while other tests run beside this one. */
const BUSY_GRACE_MS = 1500;
/**
 * Commands that block for ever, in every spelling and by every way that a client has. Each resolves
 * with the answer of BLPOP, at whatever place it stands.
 */
const IOREDIS_BLOCKED: Record<string, (redis: Redis, key: string) => Promise<unknown>> = {
  blpop: (redis, key) => redis.blpop(key, 0),
  "call in upper case": (redis, key) => redis.call("BLPOP", key, 0),
  "call in lower case": (redis, key) => redis.call("blpop", key, "0"),
  "a Command": (redis, key) =>
    redis.sendCommand(
      new Command("BlPop", [key, "0"], { replyEncoding: "utf8" }),
    ) as Promise<unknown>,
  pipeline: async (redis, key) =>
    (await redis.pipeline().get("x").blpop(key, 0).exec())?.at(-1)?.[1],
  "behind a queue": async (redis, key) =>
    (await Promise.all([redis.get("x"), redis.blpop(key, 0), redis.get("x")]))[1],
  blmpop: (redis, key) => redis.call("BLMPOP", 0, 1, key, "LEFT"),
  "auto-pipelined": (redis, key) => {
    redis.options.enableAutoPipelining = true;
    return redis.blpop(key, 0);
  },
};
const NODE_REDIS_BLOCKED: Record<string, (client: NodeRedis, key: string) => Promise<unknown>> = {
  blPop: (client, key) => client.blPop(key, 0),
  "sendCommand in upper case": (client, key) => client.sendCommand(["BLPOP", key, "0"]),
  "sendCommand in lower case": (client, key) => client.sendCommand(["blpop", key, "0"]),
  pipeline: async (client, key) =>
    (await client.multi().get("x").addCommand(["BLPOP", key, "0"]).execAsPipeline())[1],
  "with other options": (client, key) => client.withTypeMapping({}).blPop(key, 0),
  asap: (client, key) => client.asap().blPop(key, 0),
};
/** A command that is slow at the server. */
const SLEEP = ["DEBUG", "SLEEP", "6"] as const;
/** Seven seconds; the bound is for servers on which time stands still within a script. */
const SPIN = `redis.call('INCR', KEYS[1])
  local began, turns = redis.call('TIME'), 0
  local function spentMs() local now = redis.call('TIME'); return (now[1] - began[1]) * 1000 + (now[2] - began[2]) / 1000 end
  while spentMs() < 7000 and turns < 2e7 do turns = turns + 1 end
  return 'done'`;

async function livesThrough<Client>(
  watched: Watched<Client>,
  answer: Promise<unknown>,
  wake: () => Promise<unknown>,
): Promise<unknown> {
  await sleep(3 * REDIS_BUDGET_MS + 500);
  await wake();
  const got = await answer;
  expect(watched.said).toEqual([]);
  return got;
}

await describeWith(["redis-server"], "the watch of a Redis client", () => {
  it.concurrent.each(Object.entries(IOREDIS_BLOCKED))(
    "lets ioredis block for ever: %s",
    async (name, block) => {
      await using server = await RedisServer.start();
      await using other = server.plain();
      using watched = await watchedIoredis(server.port);
      const answer = await livesThrough(watched, block(watched.client, "jobs"), () =>
        other.redis.rpush("jobs", "job"),
      );
      expect(answer, name).toEqual(name === "blmpop" ? ["jobs", ["job"]] : ["jobs", "job"]);
    },
  );

  it.concurrent.each(Object.entries(NODE_REDIS_BLOCKED))(
    "lets node-redis block for ever: %s",
    async (_name, block) => {
      await using server = await RedisServer.start();
      await using other = server.plain();
      using watched = await watchedNodeRedis(server.port);
      const answer = await livesThrough(watched, block(watched.client, "jobs"), () =>
        other.redis.rpush("jobs", "job"),
      );
      expect([["jobs", "job"], { key: "jobs", element: "job" }]).toContainEqual(answer);
    },
  );

  it.concurrent("lets a script of 7 s run once and answer", { timeout: 60_000 }, async () => {
    await using server = await RedisServer.start();
    using watched = await watchedIoredis(server.port, 5000);
    expect(await watched.client.eval(SPIN, 1, "runs")).toBe("done");
    expect(await watched.client.get("runs")).toBe("1");
    expect(watched.said).toEqual([]);
    // The heartbeats go on
    server.process.kill("SIGSTOP");
    expect(await within(5000 + BUSY_GRACE_MS, watched.dead)).toBe("peer-hung");
  });

  it.concurrent("waits for a slow command of node-redis, also in a transaction and in a pipeline with an error", async () => {
    await using server = await RedisServer.start();
    using watched = await watchedNodeRedis(server.port);
    const { client } = watched;
    await client.sendCommand([...SLEEP]);
    await client
      .multi()
      .addCommand([...SLEEP])
      .exec();
    await Promise.allSettled([
      client
        .multi()
        .addCommand(["NONSENSE"])
        .addCommand([...SLEEP])
        .execAsPipeline(),
      client.get("x"),
    ]);
    expect(await client.ping()).toBe("PONG");
    expect(watched.said).toEqual([]);
  });

  it.concurrent("waits for a slow command of ioredis that the client gave up", async () => {
    await using server = await RedisServer.start();
    using watched = await watchedIoredis(server.port);
    watched.client.options.commandTimeout = 500;
    await expect(watched.client.call(...SLEEP)).rejects.toThrow("timed out");
    watched.client.options.commandTimeout = undefined;
    expect(await watched.client.ping()).toBe("PONG");
    expect(watched.said).toEqual([]);
  });

  it.concurrent("waits for a write that a CLIENT PAUSE WRITE holds up", async () => {
    await using server = await RedisServer.start();
    await using other = server.plain();
    using ioredis = await watchedIoredis(server.port);
    using nodeRedis = await watchedNodeRedis(server.port);
    await other.redis.call("CLIENT", "PAUSE", 3 * REDIS_BUDGET_MS, "WRITE");
    const answers = [ioredis.client.set("a", "1"), nodeRedis.client.set("a", "1")];
    expect(await Promise.all(answers)).toEqual(["OK", "OK"]);
    for (const { said } of [ioredis, nodeRedis]) expect(said).toEqual([]);
  });

  it.concurrent("sends no PING between MULTI and EXEC: the replies are the program's own", async () => {
    await using server = await RedisServer.start();
    using ioredis = await watchedIoredis(server.port);
    using byCall = await watchedIoredis(server.port);
    using nodeRedis = await watchedNodeRedis(server.port);
    await ioredis.client.multi({ pipeline: false });
    await byCall.client.call("MULTI");
    await nodeRedis.client.sendCommand(["MULTI"]);
    const sets = (): Promise<unknown[]> =>
      Promise.all([
        ioredis.client.set("a", "1"),
        byCall.client.call("SET", "b", "1"),
        nodeRedis.client.sendCommand(["SET", "c", "1"]),
      ]);
    expect(await sets()).toEqual(["QUEUED", "QUEUED", "QUEUED"]);
    await sleep(REDIS_BUDGET_MS + 500);
    expect(await sets()).toEqual(["QUEUED", "QUEUED", "QUEUED"]);
    await sleep(REDIS_BUDGET_MS + 500);
    expect(await ioredis.client.exec()).toEqual([
      [null, "OK"],
      [null, "OK"],
    ]);
    expect(await byCall.client.call("exec")).toEqual(["OK", "OK"]);
    expect(await nodeRedis.client.sendCommand(["EXEC"])).toEqual(["OK", "OK"]);
    for (const { said } of [ioredis, byCall, nodeRedis]) expect(said).toEqual([]);
    server.process.kill("SIGSTOP");
    const verdicts = Promise.all([ioredis, byCall, nodeRedis].map(({ dead }) => dead));
    expect(await within(REDIS_BUDGET_MS + BUSY_GRACE_MS, verdicts), "asked again after it").toEqual(
      ["peer-hung", "peer-hung", "peer-hung"],
    );
  });

  it("knows of no transaction after a reconnect", async () => {
    await using server = await RedisServer.start();
    await using other = server.plain();
    using ioredis = await watchedIoredis(server.port);
    using nodeRedis = await watchedNodeRedis(server.port);
    await ioredis.client.multi({ pipeline: false });
    await nodeRedis.client.sendCommand(["MULTI"]);
    await other.redis.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
    await expect
      .poll(() => [
        ioredis.said.length,
        nodeRedis.said.length,
        ioredis.client.status,
        nodeRedis.client.isReady,
      ])
      .toEqual([1, 1, "ready", true]);
    server.process.kill("SIGSTOP");
    const verdicts = Promise.all([ioredis, nodeRedis].map(({ dead }) => dead));
    expect(await within(REDIS_BUDGET_MS + graceMs(), verdicts)).toEqual(["peer-hung", "peer-hung"]);
  });

  it.concurrent("sends no PING while node-redis monitors", async () => {
    await using server = await RedisServer.start();
    using watched = await watchedNodeRedis(server.port);
    const lines: unknown[] = [];
    await watched.client.monitor((line) => lines.push(line));
    await sleep(2 * REDIS_BUDGET_MS);
    expect(lines).toEqual([]);
    expect(watched.said).toEqual([]);
  });

  it("finds a stopped server by a blocking command whose own timeout is over", async () => {
    await using server = await RedisServer.start();
    using ioredis = await watchedIoredis(server.port);
    using nodeRedis = await watchedNodeRedis(server.port);
    using stream = await watchedIoredis(server.port);
    const loops = [
      () => ioredis.client.call("BRPOP", "jobs", 1),
      () => nodeRedis.client.blPop("jobs", 1),
      () => stream.client.xread("COUNT", 1, "BLOCK", 1000, "STREAMS", "events", "$"),
    ];
    let isRunning = true;
    const loop = async (pop: () => Promise<unknown>): Promise<void> => {
      while (isRunning) await pop();
    };
    for (const pop of loops) loop(pop).catch(() => {});
    await sleep(2 * REDIS_BUDGET_MS);
    for (const { said } of [ioredis, nodeRedis, stream]) expect(said).toEqual([]);
    server.process.kill("SIGSTOP");
    const verdicts = Promise.all([ioredis, nodeRedis, stream].map(({ dead }) => dead));
    expect(await within(1000 + REDIS_BUDGET_MS + graceMs(), verdicts)).toEqual([
      "peer-hung",
      "peer-hung",
      "peer-hung",
    ]);
    isRunning = false;
  });

  it.concurrent("waits for a blocking command as long as its own timeout allows", async () => {
    await using server = await RedisServer.start();
    using ioredis = await watchedIoredis(server.port);
    using nodeRedis = await watchedNodeRedis(server.port);
    const seconds = (3 * REDIS_BUDGET_MS) / 1000;
    const answers = [
      ioredis.client.blpop("jobs", seconds),
      // The second command is next once the first is answered
      ioredis.client.blpop("jobs", seconds),
      nodeRedis.client.blPop("jobs", seconds),
      nodeRedis.client.blPop("jobs", seconds),
    ];
    expect(await Promise.all(answers)).toEqual([null, null, null, null]);
    for (const { said } of [ioredis, nodeRedis]) expect(said).toEqual([]);
  });

  it("finds a stopped server while the client waits for nothing", async () => {
    await using server = await RedisServer.start();
    using ioredis = await watchedIoredis(server.port);
    using nodeRedis = await watchedNodeRedis(server.port);
    using subscriber = await watchedIoredis(server.port);
    await subscriber.client.subscribe("news");
    server.process.kill("SIGSTOP");
    const verdicts = Promise.all([ioredis, nodeRedis, subscriber].map(({ dead }) => dead));
    expect(await within(REDIS_BUDGET_MS + graceMs(), verdicts)).toEqual([
      "peer-hung",
      "peer-hung",
      "peer-hung",
    ]);
  });

  it("lets Redis end an idle client, but sends heartbeats to an idle subscriber", async () => {
    await using server = await RedisServer.start();
    await using other = server.plain();
    await other.redis.config("SET", "timeout", "2");
    const idle = { askIdleForMs: REDIS_BUDGET_MS };
    using ioredis = await watchedIoredis(server.port, REDIS_BUDGET_MS, idle);
    using nodeRedis = await watchedNodeRedis(server.port, REDIS_BUDGET_MS, idle);
    using subscriber = await watchedIoredis(server.port, REDIS_BUDGET_MS, idle);
    using nodeSubscriber = await watchedNodeRedis(server.port, REDIS_BUDGET_MS, idle);
    await subscriber.client.subscribe("news");
    await nodeSubscriber.client.subscribe("news", () => {});
    await sleep(REDIS_BUDGET_MS);
    for (const { said } of [ioredis, nodeRedis]) expect(said).toEqual([]);
    await expect
      .poll(() => [ioredis.said, nodeRedis.said], { timeout: REDIS_BUDGET_MS + 3000 })
      .toEqual([["close closed-by-peer"], ["close closed-by-peer"]]);
    await sleep(REDIS_BUDGET_MS);
    expect([subscriber.said, nodeSubscriber.said]).toEqual([[], []]);
    server.process.kill("SIGSTOP");
    const verdicts = Promise.all([subscriber, nodeSubscriber].map(({ dead }) => dead));
    expect(await within(REDIS_BUDGET_MS + graceMs(), verdicts)).toEqual(["peer-hung", "peer-hung"]);
  });

  it("finds a stopped server by the PING ahead of a command that follows a long rest", async () => {
    await using server = await RedisServer.start();
    const idle = { askIdleForMs: 1000 };
    using ioredis = await watchedIoredis(server.port, REDIS_BUDGET_MS, idle);
    using nodeRedis = await watchedNodeRedis(server.port, REDIS_BUDGET_MS, idle);
    await sleep(2 * REDIS_BUDGET_MS);
    server.process.kill("SIGSTOP");
    await sleep(2 * REDIS_BUDGET_MS);
    for (const { said } of [ioredis, nodeRedis]) expect(said).toEqual([]);
    // By itself neither command is due at any time
    const answers = [ioredis.client.get("a"), nodeRedis.client.multi().blPop("b", 0).exec()];
    for (const answer of answers) answer.catch(() => {});
    const verdicts = Promise.all([ioredis, nodeRedis].map(({ dead }) => dead));
    expect(await within(REDIS_BUDGET_MS + graceMs(), verdicts)).toEqual(["peer-hung", "peer-hung"]);
  });
});
