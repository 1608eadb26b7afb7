import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { monotonicMs } from "../../src/lab/run-fault.ts";
import { World } from "../../src/lab/world.ts";
import { CUT_CAUSES } from "../heartbeat/client-process.mjs";
import { Folder, listening, SERVERS } from "../heartbeat/servers.mjs";
import { graceMs } from "../setup/grace.ts";
import { nodeRelease } from "../setup/node-release.ts";
import { describeWith } from "../setup/requires.ts";

const AUTO = new URL("../../dist/auto/index.js", import.meta.url).pathname;
const PROGRAM = new URL("../heartbeat/client-program.mjs", import.meta.url).pathname;
const BUDGET_MS = 5000;

await describeWith(
  ["root", "namespaces", "redis-server", SERVERS.postgres.needs, "node 22", "node 24", "node 26"],
  "an unmodified program under halfopen/auto",
  () => {
    const cases = ["redis", "postgres"].flatMap((server) =>
      ["this Node", 22, 24, 26].map((line) => ({ server, line })),
    );

    it.concurrent.each(cases)(
      "loses the connection to a dead $server within the budget on $line, and reports it on standard error",
      { timeout: 90_000 },
      async ({ server, line }) => {
        using folder = new Folder();
        await using world = await World.open();
        const network = await world.network();
        const kind = server === "redis" ? SERVERS.redis : SERVERS.postgres;
        await kind.start(network, folder.path);
        await listening(network, kind.port);
        const node = typeof line === "number" ? await nodeRelease(line) : process.execPath;
        const argv = [
          node,
          "--import",
          AUTO,
          PROGRAM,
          server === "redis" ? "ioredis" : "pg",
          network.address("right"),
          "alone",
          "0",
        ];
        const env = { HALFOPEN_DETECT_WITHIN: "5s", HALFOPEN_LOG: "json" };
        const program = await network.spawn("left", argv, { unprivileged: true, env });
        const said: { event: string; at: number }[] = [];
        program.onLine((text) => said.push(JSON.parse(text)));
        const hears = async (event: string, withinMs: number): Promise<number> => {
          for (const until = monotonicMs() + withinMs; monotonicMs() < until; await sleep(20)) {
            const found = said.find((one) => one.event === event);
            if (found) return found.at;
          }
          throw new Error(`no ${event}; said ${JSON.stringify(said)} ${program.errors.join(" ")}`);
        };
        await hears("ready", 15_000);
        await sleep(4000);
        const cutAt = monotonicMs();
        await network.pullCable();
        await program.write("request");
        expect((await hears("failed", BUDGET_MS + 3000)) - cutAt).toBeLessThanOrEqual(
          BUDGET_MS + graceMs(),
        );
        const report = program.errors
          .map((text) => (text.startsWith("{") ? JSON.parse(text) : null))
          .find((it) => it?.event === "dead");
        expect(report?.diagnosis.state).toBe("dead");
        expect(CUT_CAUSES).toContain(report?.diagnosis.cause);
      },
    );
  },
);
