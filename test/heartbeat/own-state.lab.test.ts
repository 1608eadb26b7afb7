import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import type { Network } from "../../src/lab/network.ts";
import { World } from "../../src/lab/world.ts";
import { graceMs } from "../setup/grace.ts";
import { describeWith } from "../setup/requires.ts";
import { monotonicMs, SceneProcess } from "./client-process.mjs";
import { Folder, listening, SERVERS, stopAll } from "./servers.mjs";

const BUDGET_MS = 2500;
/** The timeout for an idle transaction in the configuration of the servers. */
const SERVER_TIMEOUT_MS = 3000;

/** Starts a server on the lab's right host, and calls `use` with its process. */
async function withServer(
  name: keyof typeof SERVERS,
  use: (network: Network, pid: number) => Promise<void>,
): Promise<void> {
  using folder = new Folder();
  await using world = await World.open();
  const network = await world.network();
  const { pid } = await SERVERS[name].start(network, folder.path);
  await listening(network, SERVERS[name].port);
  await use(network, pid);
}

async function isEndedByServer(network: Network, scene: string): Promise<void> {
  const program = await SceneProcess.start(network, scene, BUDGET_MS);
  const { at } = await program.hears("ready", 0, 10_000);
  const ended = await program.hears("ended", at, SERVER_TIMEOUT_MS + 3000);
  expect(ended.at - at, `${scene}: as early as without a watch`).toBeLessThan(
    SERVER_TIMEOUT_MS + 1500,
  );
}

await describeWith(
  ["root", "namespaces", SERVERS.postgres.needs],
  "the watch of a pg client",
  () => {
    it(
      "leaves an idle transaction to the server's own timeout, and sends heartbeats again after it",
      { timeout: 60_000 },
      () =>
        withServer("postgres", async (network) => {
          const committed = SceneProcess.start(network, "pg-committed", BUDGET_MS);
          await Promise.all(
            ["pg-forgotten", "pg-failed"].map((scene) => isEndedByServer(network, scene)),
          );
          const program = await committed;
          expect(await program.hears("done", 0, 20_000)).toMatchObject({
            inTransaction: "begin",
            after: "",
          });
          expect(program.said.map(({ event }) => event)).toEqual(["done"]);
        }),
    );
  },
);

await describeWith(
  ["root", "namespaces", SERVERS.mariadb.needs],
  "the watch of a mysql2 connection",
  () => {
    it(
      "leaves an idle transaction to the server's own timeout, and sends heartbeats again after it",
      { timeout: 60_000 },
      () =>
        withServer("mariadb", async (network) => {
          for (const scene of ["mysql-forgotten", "mysql-select", "mysql-prepared"])
            await isEndedByServer(network, scene);
          const program = await SceneProcess.start(network, "mysql-committed", BUDGET_MS);
          const { inTransaction, after } = (await program.hears("done", 0, 20_000)) as unknown as {
            inTransaction: number;
            after: number;
          };
          expect(inTransaction).toBe(0);
          expect(after).toBeGreaterThan(0);
          expect(program.said.map(({ event }) => event)).toEqual(["done"]);
        }),
    );
  },
);

await describeWith(
  ["root", "namespaces", SERVERS.rabbitmq.needs],
  "the watch of an amqplib connection",
  () => {
    it(
      "does not suspect the broker for a refusal of the client's own, and works with both APIs",
      { timeout: 90_000 },
      () =>
        withServer("rabbitmq", async (network, pid) => {
          await sleep(1000);
          const callback = await SceneProcess.start(network, "amqp-callback", BUDGET_MS);
          const full = await SceneProcess.start(network, "amqp-full", BUDGET_MS);
          await full.hears("done", 0, 20_000);
          expect(full.said.map(({ event }) => event)).toEqual(["done"]);
          await callback.hears("ready", 0, 20_000);
          expect(callback.said.map(({ event }) => event)).toEqual(["ready"]);
          await stopAll(network, [{ pid }]);
          const stoppedAt = monotonicMs();
          const dead = await callback.hears("dead", stoppedAt, BUDGET_MS + 3000);
          expect(dead.cause).toBe("peer-hung");
          expect(dead.at - stoppedAt).toBeLessThanOrEqual(BUDGET_MS + graceMs());
        }),
    );
  },
);
