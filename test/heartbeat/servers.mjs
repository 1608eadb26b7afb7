import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** @typedef {import("../../src/lab/network.ts").Network} Network */
/** @typedef {import("../../src/lab/lab-machine.ts").LabProcess} LabProcess */

/**
 * How a real server is started on the lab's right host, from a folder of its own.
 *
 * @typedef {object} ServerKind
 * @property {string} needs The program that must be installed.
 * @property {number} port
 * @property {(network: Network, folder: string) => Promise<LabProcess>} start
 */

const POSTGRES = "/usr/lib/postgresql/15/bin";
/** Servers that refuse to run as root run as this user. */
const asUser = (name) => ["setpriv", `--reuid=${name}`, `--regid=${name}`, "--clear-groups", "--"];

/**
 * @param {number} port
 * @param {readonly string[]} settings
 * @returns {ServerKind}
 */
export function redisOn(port, settings = []) {
  return {
    needs: "redis-server",
    port,
    start: (network, folder) =>
      network.spawn("right", [
        "redis-server",
        "--port",
        `${port}`,
        "--bind",
        "0.0.0.0",
        "--protected-mode",
        "no",
        "--save",
        "",
        "--dir",
        folder,
        ...settings,
      ]),
  };
}

/** @satisfies {Record<string, ServerKind>} */
export const SERVERS = {
  redis: redisOn(6379),
  postgres: {
    needs: `${POSTGRES}/postgres`,
    port: 5432,
    async start(network, folder) {
      const data = join(folder, "data");
      await network.run("right", ["chown", "postgres", folder]);
      await network.run("right", [
        ...asUser("postgres"),
        `${POSTGRES}/initdb`,
        "-D",
        data,
        "-U",
        "postgres",
        "--auth=trust",
        "--no-sync",
      ]);
      await network.run("right", [
        ...asUser("postgres"),
        "sed",
        "-i",
        "$ a host all all 0.0.0.0/0 trust",
        join(data, "pg_hba.conf"),
      ]);
      return network.spawn("right", [
        ...asUser("postgres"),
        `${POSTGRES}/postgres`,
        "-D",
        data,
        "-h",
        "0.0.0.0",
        "-k",
        folder,
        "-F",
      ]);
    },
  },
  mariadb: {
    needs: "mariadbd",
    port: 3306,
    async start(network, folder) {
      const init = join(folder, "init.sql");
      writeFileSync(init, "CREATE USER 'root'@'%';\nGRANT ALL ON *.* TO 'root'@'%';\n");
      await network.run("right", ["chown", "-R", "mysql", folder]);
      const data = join(folder, "data");
      await network.run("right", [
        ...asUser("mysql"),
        "env",
        `TMPDIR=${folder}`,
        "mariadb-install-db",
        `--datadir=${data}`,
        "--auth-root-authentication-method=normal",
        "--skip-test-db",
      ]);
      const settings = [
        `--datadir=${data}`,
        `--socket=${folder}/s`,
        "--bind-address=0.0.0.0",
        `--init-file=${init}`,
        `--pid-file=${folder}/pid`,
      ];
      return network.spawn("right", [...asUser("mysql"), "mariadbd", "--no-defaults", ...settings]);
    },
  },
  mosquitto: {
    needs: "mosquitto",
    port: 1883,
    start(network, folder) {
      const settings = join(folder, "mosquitto.conf");
      writeFileSync(settings, "listener 1883 0.0.0.0\nallow_anonymous true\n");
      return network.spawn("right", ["mosquitto", "-c", settings]);
    },
  },
  nats: {
    needs: "nats-server",
    port: 4222,
    start: (network) => network.spawn("right", ["nats-server", "-a", "0.0.0.0"]),
  },
  rabbitmq: {
    needs: "rabbitmq-server",
    port: 5672,
    async start(network, folder) {
      const home = join(folder, "home");
      mkdirSync(home);
      writeFileSync(
        join(folder, "rabbitmq.conf"),
        "loopback_users = none\ndefault_user = lab\ndefault_pass = lab\nlisteners.tcp.default = 5672\n",
      );
      await network.run("right", ["chown", "-R", "rabbitmq", folder]);
      const env = {
        HOME: home,
        RABBITMQ_BASE: folder,
        RABBITMQ_CONFIG_FILE: join(folder, "rabbitmq.conf"),
        RABBITMQ_MNESIA_BASE: join(folder, "mnesia"),
        RABBITMQ_LOG_BASE: join(folder, "log"),
        RABBITMQ_NODENAME: "lab@localhost",
        RABBITMQ_ENABLED_PLUGINS_FILE: join(folder, "plugins"),
        RABBITMQ_PID_FILE: join(folder, "pid"),
      };
      return network.spawn(
        "right",
        [...asUser("rabbitmq"), "/usr/lib/rabbitmq/bin/rabbitmq-server"],
        { env },
      );
    },
  },
  node: {
    needs: "node",
    // The last to listen.
    port: 8090,
    start: (network) =>
      network.spawn("right", [
        process.execPath,
        new URL("node-server.mjs", import.meta.url).pathname,
      ]),
  },
  "grpc-core": {
    // Debian's package python3-grpcio, for Debian's own Python.
    needs: "/usr/lib/python3/dist-packages/grpc",
    port: 50_051,
    start: (network) =>
      network.spawn("right", [
        "/usr/bin/python3",
        new URL("grpc-core-server.py", import.meta.url).pathname,
        "50051",
      ]),
  },
};

/**
 * Starts all of them, each in a folder of its own, and resolves when they listen.
 *
 * @param {Network} network
 * @param {string} folder
 * @param {Record<string, ServerKind>} kinds
 */
export async function startServers(network, folder, kinds = SERVERS) {
  // Some run as users of their own, who must get through.
  chmodSync(folder, 0o711);
  const running = await Promise.all(
    Object.entries(kinds).map(([name, kind]) => {
      const own = join(folder, name);
      mkdirSync(own);
      return kind.start(network, own);
    }),
  );
  for (const { port } of Object.values(kinds)) await listening(network, port);
  return running;
}

/**
 * Stops servers with all the processes that they are made of, at once, and returns these.
 *
 * @param {Network} network
 * @param {readonly { pid: number }[]} servers
 * @returns {Promise<string[]>}
 */
export async function stopAll(network, servers) {
  const families = await Promise.all(servers.map(({ pid }) => familyOf(network, `${pid}`)));
  const pids = families.flat();
  await signal(network, "STOP", pids);
  return pids;
}

/**
 * Signals processes, as far as they are still there: some live for moments only.
 *
 * @param {Network} network
 * @param {"STOP" | "CONT"} name
 * @param {readonly string[]} pids
 */
export async function signal(network, name, pids) {
  await network.run("right", ["kill", `-${name}`, ...pids]).catch(unlessGone);
}

/**
 * @param {Network} network
 * @param {string} pid
 * @returns {Promise<string[]>}
 */
async function familyOf(network, pid) {
  const children = await network
    .run("right", ["cat", `/proc/${pid}/task/${pid}/children`])
    .catch(unlessGone);
  const pids = (children ?? "").split(" ").filter((child) => child.trim() !== "");
  return [pid, ...(await Promise.all(pids.map((child) => familyOf(network, child)))).flat()];
}

/** @param {Error} error */
function unlessGone(error) {
  if (!/No such (?:process|file)/.test(error.message)) throw error;
  return undefined;
}

/** A folder that goes away with its owner. */
export class Folder {
  path = mkdtempSync(join(tmpdir(), "halfopen-server-"));

  [Symbol.dispose]() {
    rmSync(this.path, { recursive: true, force: true });
  }
}

/**
 * Waits until the port accepts connections.
 *
 * @param {Network} network
 * @param {number} port
 */
export async function listening(network, port, withinMs = 40_000) {
  const hex = port.toString(16).toUpperCase().padStart(4, "0");
  for (let waited = 0; waited < withinMs; waited += 100) {
    const sockets = await network.run("right", ["cat", "/proc/net/tcp", "/proc/net/tcp6"]);
    if (new RegExp(`:${hex} 0+:0000 0A `).test(sockets)) return;
    await sleep(100);
  }
  throw new Error(`nothing listens on port ${port} of the lab's right host after ${withinMs} ms`);
}
