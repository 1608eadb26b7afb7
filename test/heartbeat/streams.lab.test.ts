import { expect, it } from "vitest";
import { World } from "../../src/lab/world.ts";
import { describeWith } from "../setup/requires.ts";
import { monotonicMs, SceneProcess } from "./client-process.mjs";
import { Folder, familyOf, listening, SERVERS } from "./servers.mjs";

const BUDGET_MS = 2500;
const GRACE_MS = 250;

await describeWith(
  ["root", "namespaces", SERVERS.postgres.needs, SERVERS.mariadb.needs],
  "the watch of a pool whose connections run over a stream that is no socket",
  () => {
    it.each([
      ["pg", "postgres"],
      ["mysql", "mariadb"],
    ] as const)(
      "leaves a quiet server of %s alone, and finds a stopped one",
      {
        timeout: 90_000,
      },
      async (client, server) => {
        using folder = new Folder();
        await using world = await World.open();
        const network = await world.network();
        const { pid } = await SERVERS[server].start(network, folder.path);
        await listening(network, SERVERS[server].port);
        const program = await SceneProcess.start(network, `${client}-stream`, BUDGET_MS);
        const ready = await program.hears("ready", 0, 20_000);
        expect(ready).toMatchObject({ level: "heartbeat" });
        expect(program.said.map(({ event }) => event)).toEqual(["ready"]);

        const stoppedAt = monotonicMs();
        const family = await familyOf(network, pid);
        await network.run("right", ["kill", "-STOP", ...family.map(String)]);
        const dead = await program.hears("dead", stoppedAt, BUDGET_MS + 3000);
        expect(dead.cause).toBe("peer-hung");
        expect(dead.at - stoppedAt).toBeLessThanOrEqual(BUDGET_MS + GRACE_MS);
      },
    );
  },
);
