// When each client notices a pulled cable, alone and watched: `npm run bench:clients`. See
// README.md beside this file.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { OTHER_CLIENTS } from "../../test/auto/clients/other-clients.mjs";
import { OTHER_SERVERS } from "../../test/auto/clients/servers.mjs";
import { CLIENTS, ClientProcess, monotonicMs } from "../../test/heartbeat/client-process.mjs";
import { SERVERS, startServers } from "../../test/heartbeat/servers.mjs";
import { inLab } from "../in-lab.mjs";
import { machine } from "../machine.mjs";
import { measureStopped, unlikeDocs } from "./stopped.mjs";
import { docsTable, readmeTable, stoppedTable } from "./tables.mjs";
import { versionsOf } from "./versions.mjs";

const { values } = parseArgs({
  options: {
    budget: { type: "string", default: "5000" },
    cap: { type: "string", default: "60000" },
    out: { type: "string", default: new URL("./results/", import.meta.url).pathname },
    only: { type: "string" },
  },
});
const [budgetMs, capMs] = [Number(values.budget), Number(values.cap)];
const GRACE_MS = 250;
const WARM_UP_MS = 4000;
/**
 * As many programs are started at once as do not wait for each other's turn at the processor for
 * long.
 */
const STARTED_AT_ONCE = 8;
/**
 * How often a program that is not known to work is asked for a request, and how long after the
 * cable's return.
 */
const [ASK_EVERY_MS, RETURN_MS] = [500, 60_000];

const CLIENT_PACKAGES = new Set([
  "ioredis",
  "redis",
  "pg",
  "mysql2",
  "mqtt",
  "amqplib",
  "@nats-io/transport-node",
  "ws",
  "@grpc/grpc-js",
  "engine.io-client",
  "socket.io-client",
  "mongodb",
  "undici",
  "kafkajs",
  "cassandra-driver",
  "tedious",
  "@elastic/elasticsearch",
  "rhea",
  "imapflow",
  "node-opcua-client",
  "ssh2",
  "colyseus.js",
  "@colyseus/core",
  "socket.io",
  "stompit",
  "postgres",
  "mariadb",
]);
const AUTO = new URL("../../dist/auto/index.js", import.meta.url).pathname;
/** Node 20 has the global WebSocket behind this option. */
const WEB_SOCKET = process.allowedNodeEnvironmentFlags.has("--experimental-websocket")
  ? ["--experimental-websocket"]
  : [];

/** The clients with an adapter, and those that halfopen/auto watches. */
const GROUPS = {
  adapted: {
    clients: CLIENTS,
    servers: SERVERS,
    modes: { alone: { mode: "alone" }, watched: { mode: "watched" } },
  },
  others: {
    clients: OTHER_CLIENTS,
    servers: OTHER_SERVERS,
    modes: {
      alone: { mode: "alone", node: WEB_SOCKET },
      watched: {
        mode: "alone",
        node: [...WEB_SOCKET, "--import", AUTO],
        env: { HALFOPEN_DETECT_WITHIN: `${budgetMs}ms` },
      },
    },
  },
};

/** Measures unless another part alone is wanted: then returns what was measured before. */
async function measured(part, was, measureIn) {
  return values.only && values.only !== part ? was : inLab({}, measureIn);
}

const file = `${values.out}/clients.json`;
const before = values.only ? JSON.parse(readFileSync(file, "utf8")) : {};
const adapted = await measured("adapted", before.rows, (network, folder) =>
  measure(network, folder, GROUPS.adapted),
);
const others = await measured("others", before.others, (network, folder) =>
  measure(network, folder, GROUPS.others),
);
const stopped = await measured("stopped", before.stopped, (network, folder) =>
  measureStopped(network, folder, budgetMs),
);
const rows = [...adapted, ...others];
const versions = versionsOf(CLIENT_PACKAGES, ["./", "test/auto/clients/"]);
const report = { budgetMs, capMs, machine, versions, rows: adapted, others, stopped };
const tables = [
  docsTable(report.rows, capMs),
  readmeTable(report.rows, capMs),
  docsTable(others, capMs),
  stoppedTable(stopped),
];
mkdirSync(values.out, { recursive: true });
writeFileSync(file, `${JSON.stringify(report, null, 1)}\n`);
writeFileSync(`${values.out}/clients.md`, `${tables.join("\n\n")}\n`);
console.log(tables.join("\n\n"));
const late = rows.filter(({ watched }) =>
  [watched.idle, watched.inFlight].some(({ ms }) => ms === null || ms > budgetMs + GRACE_MS),
);
const lame = rows.filter(
  ({ silentFor, watched }) =>
    !silentFor && [watched.idle, watched.inFlight].some(({ againMs }) => againMs === null),
);
if (late.length > 0)
  console.error(
    `watched and later than ${budgetMs + GRACE_MS} ms: ${late.map(({ client }) => client).join(", ")}`,
  );
if (lame.length > 0)
  console.error(
    `watched and without work after the cable's return: ${lame.map(({ client }) => client).join(", ")}`,
  );
const unlike = unlikeDocs(stopped, budgetMs + GRACE_MS);
if (unlike.length > 0) console.error(`not as docs/heartbeat.md says: ${unlike.join("; ")}`);
process.exitCode = late.length + lame.length + unlike.length > 0 ? 1 : 0;

/**
 * Every client four times in one network, each a program of its own: alone and watched, idle and
 * with a request in flight.
 */
async function measure(network, folder, { clients, servers, modes }) {
  await startServers(network, folder.path, servers);
  const runs = clients.flatMap(({ client, madeAnew }) =>
    Object.keys(modes).flatMap((mode) =>
      ["idle", "inFlight"].map((traffic) => ({
        client,
        madeAnew,
        mode,
        traffic,
        program: null,
        ms: null,
        by: null,
        againMs: null,
      })),
    ),
  );
  for (let from = 0; from < runs.length; from += STARTED_AT_ONCE) {
    const group = runs.slice(from, from + STARTED_AT_ONCE);
    await Promise.all(
      group.map(async (run) => {
        run.program = await ClientProcess.start(network, [run.client], {
          ...modes[run.mode],
          // Clients do not remove their temporary files.
          env: { TMPDIR: folder.path, ...modes[run.mode].env },
          madeAnew: run.madeAnew ? [run.client] : [],
          budgetMs,
        });
      }),
    );
  }
  await sleep(WARM_UP_MS);
  const cutAt = monotonicMs();
  await network.pullCable();
  await Promise.all(
    runs
      .filter(({ traffic }) => traffic === "inFlight")
      .map(({ program }) => program.process.write("request")),
  );
  await sleep(capMs - (monotonicMs() - cutAt));
  for (const run of runs) Object.assign(run, noticed(run.program, cutAt));
  const backAt = monotonicMs();
  await network.plugCable();
  await Promise.all(runs.map((run) => untilItWorks(run, backAt)));
  return clients.map(({ client, madeAnew = false, silentFor = null }) => {
    const of = (mode, traffic) => {
      const { ms, by, againMs } = runs.find(
        (run) => run.client === client && run.mode === mode && run.traffic === traffic,
      );
      return { ms, by, againMs };
    };
    const both = (mode) => ({ idle: of(mode, "idle"), inFlight: of(mode, "inFlight") });
    return { client, madeAnew, silentFor, alone: both("alone"), watched: both("watched") };
  });
}

/** The first that the program hears of it: its request fails or its connection closes. */
function noticed({ said }, cutAt) {
  const first = said.find(
    ({ event, at }) => at > cutAt && (event === "failed" || event === "lost"),
  );
  return { ms: first ? first.at - cutAt : null, by: first?.event ?? null };
}

/** The first request that is answered after the cable's return. */
async function untilItWorks(run, backAt) {
  const { program } = run;
  for (let askedAt = 0; monotonicMs() < backAt + RETURN_MS; await sleep(20)) {
    const answered = program.said.find(({ event, at }) => event === "answered" && at > backAt);
    if (answered) {
      run.againMs = answered.at - backAt;
      return;
    }
    if (monotonicMs() < askedAt + ASK_EVERY_MS) continue;
    askedAt = monotonicMs();
    await program.process.write("request");
  }
}
