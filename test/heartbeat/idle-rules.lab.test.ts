import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import type { Network } from "../../src/lab/network.ts";
import { World } from "../../src/lab/world.ts";
import { graceMs } from "../setup/grace.ts";
import { describeWith } from "../setup/requires.ts";
import { monotonicMs, SceneProcess } from "./client-process.mjs";
import { Folder, listening, SERVERS, stopAll } from "./servers.mjs";

const BUDGET_MS = 2500;
/** As the scenes set them: how long heartbeats go on, and the server's rule for idle clients. */
const ASK_IDLE_FOR_MS = 2500;
const RULE_MS = 3000;

const DATABASES = [
  ["pg", "postgres"],
  ["mysql", "mariadb"],
] as const;

await describeWith(
  ["root", "namespaces", SERVERS.postgres.needs, SERVERS.mariadb.needs],
  "the watch of a client that its program leaves idle",
  () => {
    it.each(DATABASES)(
      "lets the server's own rule end it: %s",
      { timeout: 90_000 },
      (client, server) =>
        withServer(server, async (network) => {
          const program = await SceneProcess.start(network, `${client}-idle`, BUDGET_MS);
          const { at } = await program.hears("ready", 0, 10_000);
          const latestMs = ASK_IDLE_FOR_MS + 0.4 * BUDGET_MS + RULE_MS;
          const ended = await program.hears("ended", at, latestMs + 3000);
          expect(ended.at - at).toBeLessThanOrEqual(latestMs + 1000);
          // Heartbeats did go on for a while
          expect(ended.at - at).toBeGreaterThan(RULE_MS + 1000);
          // mysql2 and MariaDB part with a reset
          expect(["peer-reset", undefined]).toContain(
            program.said.find(({ event }) => event === "dead")?.cause,
          );
        }),
    );

    it.each(DATABASES)(
      "finds a stopped server once the program uses the client again: %s",
      { timeout: 90_000 },
      (client, server) =>
        withServer(server, async (network, pid) => {
          const program = await SceneProcess.start(network, `${client}-used-again`, BUDGET_MS);
          await program.hears("ready", 0, 20_000);
          await stopAll(network, [{ pid }]);
          const uses = await program.hears("uses", 0, 5000);
          const dead = await program.hears("dead", uses.at, BUDGET_MS + 3000);
          expect(dead.cause).toBe("peer-hung");
          expect(dead.at - uses.at).toBeLessThanOrEqual(BUDGET_MS + graceMs());
        }),
    );
  },
);

await describeWith(
  ["root", "namespaces", SERVERS.postgres.needs, "pgbouncer"],
  "the watch of a pg client behind PgBouncer",
  () => {
    it.each([
      ["transaction", "pg-pooled"],
      ["transaction", "pg-known-pooled"],
      ["session", "pg-pooled"],
    ])("does not call a full pooler dead, in its %s mode: %s", { timeout: 90_000 }, (mode, scene) =>
      withServer("postgres", async (network, _, folder) => {
        const settings = [
          "[databases]",
          `* = host=127.0.0.1 port=${SERVERS.postgres.port}`,
          "[pgbouncer]",
          "listen_addr = 0.0.0.0",
          "listen_port = 6432",
          "unix_socket_dir =",
          "auth_type = any",
          `pool_mode = ${mode}`,
          "default_pool_size = 1",
          "ignore_startup_parameters = extra_float_digits",
        ];
        const path = join(folder, "pgbouncer.ini");
        writeFileSync(path, settings.join("\n").replace("* =", "* = user=postgres"));
        await network.spawn("right", ["pgbouncer", "-u", "postgres", path]);
        await listening(network, 6432);
        const program = await SceneProcess.start(network, scene, BUDGET_MS);
        await program.hears("done", monotonicMs(), 30_000);
        expect(program.said.map(({ event }) => event)).toEqual(["done"]);
      }),
    );
  },
);

/** Starts a server on the lab's right host, and calls `use` with its process. */
async function withServer(
  name: keyof typeof SERVERS,
  use: (network: Network, pid: number, folder: string) => Promise<void>,
): Promise<void> {
  using folder = new Folder();
  await using world = await World.open();
  const network = await world.network();
  const { pid } = await SERVERS[name].start(network, folder.path);
  await listening(network, SERVERS[name].port);
  await use(network, pid, folder.path);
}
