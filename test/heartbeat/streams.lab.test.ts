import { expect, it } from "vitest";
import { World } from "../../src/lab/world.ts";
import { graceMs } from "../setup/grace.ts";
import { describeWith } from "../setup/requires.ts";
import { monotonicMs, SceneProcess } from "./client-process.mjs";
import { Folder, listening, SERVERS, stopAll } from "./servers.mjs";

const BUDGET_MS = 2500;

await describeWith(
  ["root", "namespaces", SERVERS.postgres.needs, SERVERS.mariadb.needs],
  "the watch of a pool, over streams that are no sockets and of several nodes",
  () => {
    it.each([
      ["pg-stream", "postgres", "heartbeat", 1],
      ["mysql-stream", "mariadb", "heartbeat", 1],
      ["mysql-pool-cluster", "mariadb", "kernel,kernel,kernel", 3],
    ] as const)(
      "leaves a quiet server alone, and finds a stopped one: %s",
      {
        timeout: 90_000,
      },
      async (scene, server, level, connections) => {
        using folder = new Folder();
        await using world = await World.open();
        const network = await world.network();
        const { pid } = await SERVERS[server].start(network, folder.path);
        await listening(network, SERVERS[server].port);
        const program = await SceneProcess.start(network, scene, BUDGET_MS);
        const ready = await program.hears("ready", 0, 20_000);
        expect(ready).toMatchObject({ level });
        expect(program.said.map(({ event }) => event)).toEqual(["ready"]);

        await stopAll(network, [{ pid }]);
        const stoppedAt = monotonicMs();
        const dead = await program.hears("dead", stoppedAt, BUDGET_MS + 3000);
        expect(dead.cause).toBe("peer-hung");
        expect(dead.at - stoppedAt).toBeLessThanOrEqual(BUDGET_MS + graceMs());
        await expect
          .poll(() => program.said.filter(({ event }) => event === "dead").length)
          .toBe(connections);
      },
    );
  },
);
