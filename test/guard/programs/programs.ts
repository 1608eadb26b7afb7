import { fileURLToPath } from "node:url";

/** An unchanged program, in several processes or with several connections at once. */
export interface Program {
  /** The user that runs it: PostgreSQL refuses to be root. */
  readonly user: "nobody" | "postgres";
  /** Shell commands by name. */
  readonly commands: Readonly<Record<string, string>>;
  /**
   * By connection: the line that the program prints when it has lost the connection. Each line
   * begins with the command's name and a tab.
   */
  readonly cells: Readonly<Record<string, RegExp>>;
}

/** The address of the other host. */
export type Address = (family: 4 | 6) => string;

const POSTGRES = "/usr/lib/postgresql/15/bin";
/** Debian's own: another one may lie in a folder that only its owner can enter. */
const PYTHON = "/usr/bin/python3";
export const NEEDED: readonly string[] = [
  "root",
  "namespaces",
  "redis-server",
  "redis-cli",
  "nc",
  "psql",
  PYTHON,
  `${POSTGRES}/postgres`,
];

const file = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const SINK_PORT = 7000;
const PYTHON_PORT = 7100;
const NODE_PORT = 7200;
/**
 * The first of several ports. The first server is for the clients under guard. The others serve one
 * connection each, because the log of redis-server does not name connections.
 */
const REDIS_PORT = 6379;
const VARIANTS = (["idle", "in flight"] as const).flatMap((traffic, i) =>
  ([4, 6] as const).map((family, k) => ({
    traffic,
    family,
    name: `${traffic} IPv${family}`,
    redisPort: REDIS_PORT + 1 + 2 * i + k,
  })),
);
type Traffic = (typeof VARIANTS)[number]["traffic"];

/** Clients that print a line, or end, when they lose their server. */
export function clients(address: Address): Record<string, Program> {
  const clientsOf = (commands: Record<Traffic, (to: string) => string>): Program => ({
    user: "nobody",
    commands: Object.fromEntries(
      VARIANTS.map(({ name, traffic, family }) => [name, commands[traffic](address(family))]),
    ),
    cells: Object.fromEntries(
      VARIANTS.map(({ name }) => [name, new RegExp(`^${name}\t(exit|lost)`)]),
    ),
  });
  return {
    nc: clientsOf({
      idle: (to) => `exec nc -d ${to} ${SINK_PORT}`,
      "in flight": (to) =>
        `while echo x; do sleep 0.1; done | { nc ${to} ${SINK_PORT}; echo lost; }`,
    }),
    "redis-cli": clientsOf({
      idle: (to) => `exec redis-cli -h ${to} blpop nothing 0`,
      "in flight": (to) => `exec redis-cli -h ${to} -r -1 -i 0.1 incr x`,
    }),
    psql: clientsOf({
      idle: (to) => `exec psql -h ${to} -U postgres -c 'select pg_sleep(1000)'`,
      "in flight": (to) => `echo 'select 1 \\watch 0.1' | psql -h ${to} -U postgres`,
    }),
    python: clientsOf({
      idle: (to) => `exec ${PYTHON} ${file("client.py")} ${to} ${SINK_PORT} idle`,
      "in flight": (to) => `exec ${PYTHON} ${file("client.py")} ${to} ${SINK_PORT} writing`,
    }),
    node: clientsOf({
      idle: (to) => `exec node ${file("client.mjs")} ${to} ${SINK_PORT} idle`,
      "in flight": (to) => `exec node ${file("client.mjs")} ${to} ${SINK_PORT} writing`,
    }),
  };
}

/** Servers that print which client they lost. `data` is PostgreSQL's folder. */
export function servers(data: string): Record<string, Program> {
  const cells = (says: (name: string) => string): Program["cells"] =>
    Object.fromEntries(VARIANTS.map(({ name }) => [name, new RegExp(says(name))]));
  return {
    "redis-server": {
      user: "nobody",
      commands: Object.fromEntries(
        VARIANTS.map(({ name, redisPort }) => [name, redisServer(redisPort)]),
      ),
      cells: cells(
        (name) => `^${name}\t.*(Reading from client|Error writing to client|Client closed)`,
      ),
    },
    "postgres server": {
      user: "postgres",
      commands: { server: postgresServer(data) },
      cells: cells((name) => `\t${name} LOG: .*could not (receive|send)`),
    },
    "python server": {
      user: "nobody",
      commands: { server: `exec ${PYTHON} ${file("server.py")} ${PYTHON_PORT}` },
      cells: cells((name) => `\tlost ${name}: `),
    },
    "node server": {
      user: "nobody",
      commands: { server: `exec node ${file("server.mjs")} ${NODE_PORT}` },
      cells: cells((name) => `\tlost ${name}: `),
    },
  };
}

/** The servers of the clients under guard. */
export function serversOfClients(data: string): Record<string, Program> {
  const sink = `exec node -e 'require("net").createServer((s) => s.on("error", () => {}).resume()).listen(${SINK_PORT}, "::")'`;
  return {
    servers: { user: "nobody", commands: { sink, redis: redisServer(REDIS_PORT) }, cells: {} },
    postgres: { user: "postgres", commands: { postgres: postgresServer(data) }, cells: {} },
  };
}

/** The clients of the servers under guard: they send one request, and then listen. */
export function clientsOfServers(address: Address): Record<string, Program> {
  const commands: Record<string, string> = {};
  for (const { name, traffic, family, redisPort } of VARIANTS) {
    const to = address(family);
    const query =
      traffic === "idle"
        ? "select 1"
        : "copy (select repeat('x', 9000), pg_sleep(0.1) from generate_series(1, 100000)) to stdout";
    commands[`redis ${name}`] =
      `exec redis-cli -h ${to} -p ${redisPort} subscribe news > /dev/null`;
    commands[`postgres ${name}`] =
      `{ echo "${query};"; sleep 1000; } | PGAPPNAME='${name}' psql -h ${to} -U postgres > /dev/null`;
    for (const port of [PYTHON_PORT, NODE_PORT]) {
      commands[`${port} ${name}`] =
        `{ echo '${name}'; sleep 1000; } | nc ${to} ${port} > /dev/null`;
    }
  }
  return { clients: { user: "nobody", commands, cells: {} } };
}

/** Programs beside the servers under guard that make redis-server write to some of its clients. */
export function publishers(): Record<string, Program> {
  const ports = VARIANTS.filter(({ traffic }) => traffic === "in flight").map(
    ({ redisPort }) => redisPort,
  );
  const commands = ports.map((port) => [
    `${port}`,
    `exec redis-cli -p ${port} -r -1 -i 0.1 publish news x > /dev/null`,
  ]);
  return { publishers: { user: "nobody", commands: Object.fromEntries(commands), cells: {} } };
}

function redisServer(port: number): string {
  return `exec redis-server --port ${port} --bind '* -::*' --protected-mode no --save '' --dir / --loglevel verbose`;
}

function postgresServer(data: string): string {
  return `exec ${POSTGRES}/postgres -D ${data} -h '*' -k '' -F -c log_line_prefix='%a '`;
}

/** Returns the command that makes a PostgreSQL data folder open to all users. */
export function initdb(data: string): string {
  const init = `${POSTGRES}/initdb -D ${data} -U postgres --auth=trust --no-sync > /dev/null`;
  return `${init} && echo 'host all all all trust' >> ${data}/pg_hba.conf`;
}
