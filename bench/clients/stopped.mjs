// What each watched client learns of a server whose process stands still while its host lives.
import { setTimeout as sleep } from "node:timers/promises";
import { CLIENTS, ClientProcess, monotonicMs } from "../../test/heartbeat/client-process.mjs";
import { SERVERS, startServers, stopAll } from "../../test/heartbeat/servers.mjs";

/** What the client is doing when the server stops. */
export const STATES = ["idle", "waiting", "blocked", "transaction"];
const WARM_UP_MS = 4000;
const STARTED_AT_ONCE = 8;
/** Clients with commands that block for a time they name, and clients with transactions. */
const ABLE = {
  blocked: ["ioredis", "node-redis"],
  transaction: ["ioredis", "node-redis", "pg", "mysql2"],
};
/**
 * The pairs of client and state in which no request may be sent, as docs/heartbeat.md has them: the
 * answer would come behind one that may take its time.
 */
const LEFT_ALONE = {
  idle: ["ioredis-blocked"],
  waiting: ["ioredis-subscriber", "ioredis-blocked", "pg", "pg-listen", "mysql2"],
  blocked: [],
  transaction: ABLE.transaction,
};

/**
 * Stops the servers of all watched clients for three budgets. Returns for each client and state the
 * time until the watch called the peer hung, `null` where it was left alone, and nothing where the
 * client has no such state.
 */
export async function measureStopped(network, folder, budgetMs) {
  const servers = await startServers(network, folder.path, SERVERS);
  const runs = CLIENTS.flatMap(({ client }) =>
    STATES.filter((state) => ABLE[state]?.includes(client) ?? true).map((state) => ({
      client,
      state,
      program: null,
    })),
  );
  for (let from = 0; from < runs.length; from += STARTED_AT_ONCE)
    await Promise.all(
      runs.slice(from, from + STARTED_AT_ONCE).map(async (run) => {
        run.program = await ClientProcess.start(network, [run.client], { budgetMs });
        if (!ABLE[run.state]) return;
        await run.program.process.write(`enter ${run.state}`);
        await run.program.hears("entered", 0, 10_000);
      }),
    );
  await sleep(WARM_UP_MS);

  await stopAll(network, servers);
  const stoppedAt = monotonicMs();
  for (const { state, program } of runs)
    if (state === "waiting") await program.process.write("request");
  await sleep(3 * budgetMs);

  return CLIENTS.map(({ client }) => {
    const times = runs
      .filter((run) => run.client === client)
      .map(({ state, program }) => {
        const found = program.said.find(({ event, at }) => event === "dead" && at > stoppedAt);
        return [state, found ? found.at - stoppedAt : null];
      });
    return { client, ...Object.fromEntries(times) };
  });
}

/** The pairs of client and state that were not as docs/heartbeat.md says. */
export function unlikeDocs(rows, latestMs) {
  return rows.flatMap(({ client, ...times }) =>
    Object.entries(times)
      .filter(
        ([state, ms]) => LEFT_ALONE[state].includes(client) !== (ms === null) || ms > latestMs,
      )
      .map(([state, ms]) => `${client}, ${state}: ${ms === null ? "left alone" : `${ms} ms`}`),
  );
}
