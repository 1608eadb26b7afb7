import { setTimeout as sleep } from "node:timers/promises";
import type { Host, Network } from "../../src/lab/network.ts";
import { monotonicMs } from "../../src/lab/run-fault.ts";
import type { LabProcess } from "../../src/lab/world.ts";
import type { SERVERS } from "./servers.mjs";

/** Which client talks to which server, and whether it connects anew by itself. */
export const CLIENTS: readonly {
  readonly client: string;
  readonly server: keyof typeof SERVERS;
  readonly reconnects: boolean;
  /** Sends a request again after the reconnect: it does not fail. */
  readonly keepsRequests?: boolean;
}[] = [
  { client: "ioredis", server: "redis", reconnects: true },
  { client: "ioredis-subscriber", server: "redis", reconnects: true, keepsRequests: true },
  { client: "ioredis-blocked", server: "redis", reconnects: true },
  { client: "node-redis", server: "redis", reconnects: true },
  { client: "pg", server: "postgres", reconnects: false },
  { client: "pg-listen", server: "postgres", reconnects: false },
  { client: "mysql2", server: "mariadb", reconnects: false },
  { client: "mqtt", server: "mosquitto", reconnects: true, keepsRequests: true },
  { client: "nats", server: "nats", reconnects: true },
  { client: "amqplib", server: "rabbitmq", reconnects: false },
  { client: "ws", server: "node", reconnects: false },
  { client: "ws-server", server: "node", reconnects: false },
  { client: "http2", server: "node", reconnects: false },
  { client: "grpc", server: "node", reconnects: true },
  { client: "grpc-core", server: "grpc-core", reconnects: true },
  { client: "engine.io", server: "node", reconnects: false },
  { client: "engine.io-server", server: "node", reconnects: false },
  { client: "socket.io", server: "node", reconnects: true },
];

interface Said {
  readonly event: string;
  readonly at: number;
  readonly client: string;
  readonly cause?: string;
}

const PROGRAM = new URL("client-program.mjs", import.meta.url).pathname;
const STARTED_WITHIN_MS = 20_000;

/** `client-program.mjs`, running on the lab's left host. */
export class ClientProcess {
  readonly said: Said[] = [];
  readonly process: LabProcess;

  private constructor(process: LabProcess) {
    this.process = process;
    process.onLine((line) => this.said.push(JSON.parse(line) as Said));
  }

  /** `node`: what the Node program is run with. */
  static async start(
    network: Network,
    clients: readonly string[],
    { mode = "watched", budgetMs, node = [], env = {} }: StartOptions,
  ): Promise<ClientProcess> {
    const argv = [process.execPath, ...node, PROGRAM, clients.join(","), network.address("right" satisfies Host), mode, `${budgetMs}`];
    const program = new ClientProcess(await network.spawn("left", argv, { unprivileged: true, env }));
    for (const client of clients) await program.hears("ready", 0, STARTED_WITHIN_MS, client);
    return program;
  }

  /** The first such event after an instant, of this client or of any. */
  async hears(event: string, after: number, withinMs: number, client?: string): Promise<Said> {
    for (const until = monotonicMs() + withinMs; monotonicMs() < until; await sleep(20)) {
      const found = this.said.find((one) => one.event === event && one.at > after && (client === undefined || one.client === client));
      if (found) return found;
    }
    throw new Error(
      `no ${event} of ${client ?? "any client"} within ${withinMs} ms; said ${JSON.stringify(this.said)} ${this.process.errors.join(" ")}`,
    );
  }
}

interface StartOptions {
  readonly mode?: "watched" | "host" | "alone";
  readonly budgetMs: number;
  readonly node?: readonly string[];
  readonly env?: Record<string, string>;
}
