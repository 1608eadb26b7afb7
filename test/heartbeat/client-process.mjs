import { setTimeout as sleep } from "node:timers/promises";

/** @typedef {import("../../src/lab/network.ts").Network} Network */
/** @typedef {import("../../src/lab/lab-machine.ts").LabProcess} LabProcess */

/**
 * Which client talks to which server, and whether it connects anew by itself.
 *
 * @typedef {object} Client
 * @property {string} client
 * @property {keyof typeof import("./servers.mjs").SERVERS} server
 * @property {boolean} reconnects
 * @property {boolean} [madeAnew] Its program makes a new one when the connection is lost.
 * @property {"its client's turn" | "waits in BLPOP"} [silentFor] Why no request of it need be
 * answered while its connection lasts or after.
 * @property {boolean} [keepsRequests] Sends a request again after the reconnect: it does not fail.
 */

/** @type {readonly Client[]} */
export const CLIENTS = [
  { client: "ioredis", server: "redis", reconnects: true },
  { client: "ioredis-subscriber", server: "redis", reconnects: true, keepsRequests: true },
  { client: "ioredis-blocked", server: "redis", reconnects: true, silentFor: "waits in BLPOP" },
  { client: "node-redis", server: "redis", reconnects: true },
  { client: "pg", server: "postgres", reconnects: false },
  { client: "pg-listen", server: "postgres", reconnects: false, madeAnew: true },
  { client: "mysql2", server: "mariadb", reconnects: false, madeAnew: true },
  { client: "mqtt", server: "mosquitto", reconnects: true, keepsRequests: true },
  { client: "nats", server: "nats", reconnects: true },
  { client: "amqplib", server: "rabbitmq", reconnects: false, madeAnew: true },
  { client: "ws", server: "node", reconnects: false, madeAnew: true },
  { client: "ws-server", server: "node", reconnects: false, silentFor: "its client's turn" },
  { client: "frames", server: "node", reconnects: false, madeAnew: true },
  { client: "http2", server: "node", reconnects: false, madeAnew: true },
  { client: "grpc", server: "node", reconnects: true },
  { client: "grpc-core", server: "grpc-core", reconnects: true },
  { client: "engine.io", server: "node", reconnects: false, madeAnew: true },
  { client: "engine.io-server", server: "node", reconnects: false, silentFor: "its client's turn" },
  { client: "socket.io", server: "node", reconnects: true },
];

/**
 * What a pulled cable looks like; the second where the kernel's entry of the neighbour ran out
 * meanwhile and its own ICMP told of it.
 */
export const CUT_CAUSES = ["path-silent", "unreachable"];

const PROGRAM = new URL("client-program.mjs", import.meta.url).pathname;
const SCENE_PROGRAM = new URL("scene-program.mjs", import.meta.url).pathname;

const STARTED_WITHIN_MS = 20_000;

/** CLOCK_MONOTONIC, as the program says it too. */
export function monotonicMs() {
  return Number(process.hrtime.bigint() / 1000n) / 1000;
}

/**
 * A program on the lab's left host that says what happens, one JSON object a line.
 *
 * @typedef {object} Said
 * @property {string} event
 * @property {number} at
 * @property {string} client
 * @property {string} [cause]
 * @property {string} [name] Of the error of a failed request.
 *
 * @typedef {object} StartOptions
 * @property {"watched" | "host" | "alone"} [mode]
 * @property {number} budgetMs
 * @property {readonly string[]} [node] What Node is told before the program.
 * @property {Record<string, string>} [env]
 * @property {readonly string[]} [madeAnew] The clients to make anew when they lost their connection.
 */
export class TalkingProcess {
  /** @type {Said[]} */
  said = [];

  /** @param {LabProcess} process */
  constructor(process) {
    this.process = process;
    process.onLine((line) => this.said.push(JSON.parse(line)));
  }

  /**
   * The first such event after an instant, of this client or of any.
   *
   * @param {string} event
   * @param {number} after
   * @param {number} withinMs
   * @param {string} [client]
   */
  async hears(event, after, withinMs, client) {
    for (const until = monotonicMs() + withinMs; monotonicMs() < until; await sleep(20)) {
      const found = this.said.find(
        (one) =>
          one.event === event && one.at > after && (client === undefined || one.client === client),
      );
      if (found) return found;
    }
    throw new Error(
      `no ${event} of ${client ?? "any client"} within ${withinMs} ms; said ${JSON.stringify(this.said)} ${this.process.errors.join(" ")}`,
    );
  }
}

/** `client-program.mjs`, running on the lab's left host. */
export class ClientProcess extends TalkingProcess {
  /**
   * @param {Network} network
   * @param {readonly string[]} clients
   * @param {StartOptions} options
   */
  static async start(
    network,
    clients,
    { mode = "watched", budgetMs, node = [], env = {}, madeAnew = [] },
  ) {
    const argv = [
      process.execPath,
      ...node,
      PROGRAM,
      clients.join(","),
      network.address("right"),
      mode,
      `${budgetMs}`,
      ...madeAnew,
    ];
    const program = new ClientProcess(
      await network.spawn("left", argv, { unprivileged: true, env }),
    );
    for (const client of clients) await program.hears("ready", 0, STARTED_WITHIN_MS, client);
    return program;
  }
}

/** `scene-program.mjs`, running on the lab's left host. */
export class SceneProcess extends TalkingProcess {
  /**
   * @param {Network} network
   * @param {string} scene
   * @param {number} budgetMs
   */
  static async start(network, scene, budgetMs) {
    const argv = [process.execPath, SCENE_PROGRAM, scene, network.address("right"), `${budgetMs}`];
    return new SceneProcess(await network.spawn("left", argv, { unprivileged: true }));
  }
}
