import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Host, Network } from "../../../src/lab/network.ts";
import type { World } from "../../../src/lab/world.ts";
import {
  clients,
  clientsOfServers,
  initdb,
  type Program,
  publishers,
  servers,
  serversOfClients,
} from "./programs.ts";

const SIDE_BY_SIDE = [
  process.execPath,
  fileURLToPath(new URL("side-by-side.mjs", import.meta.url)),
];
/** /proc/net/tcp, proc(5). */
const ESTABLISHED = "01";
const LISTEN = "0A";
const LOOPBACK = /^(0100007F|00000000000000000000000001000000|0000000000000000FFFF00000100007F):/;

/** Listening sockets. redis-server and postgres have one for each family. */
const LISTENERS: Record<Host, number> = { left: 4 * 2 + 2 + 1 + 1, right: 2 + 2 + 1 };

/**
 * Two hosts. The left one has real clients and servers whose errors are awaited, idle and in
 * flight, over IPv4 and IPv6. The right one has their peers.
 */
export class Scene {
  readonly network: Network;
  /** By connection: the instant when the program saw its error; `null`: not yet. */
  readonly seen: Map<string, number | null> = new Map();
  /** Every line of every program. */
  readonly said: string[] = [];
  readonly #folder: string;

  private constructor(network: Network, folder: string) {
    this.network = network;
    this.#folder = folder;
  }

  /**
   * Starts everything, each program of the left host under `prefix`. Resolves when all connections
   * stand. Every user must be able to enter `folder`.
   */
  static async open(world: World, folder: string, prefix: readonly string[] = []): Promise<Scene> {
    const scene = new Scene(await world.network(), folder);
    const { network } = scene;
    await scene.#start("right", serversOfClients(await scene.#database("right")));
    await scene.#start("left", servers(await scene.#database("left")), prefix);
    for (const [host, count] of Object.entries(LISTENERS)) {
      await scene.#until(
        host as Host,
        (sockets) => sockets.filter(({ state }) => state === LISTEN).length === count,
        "all servers listen",
      );
    }
    await scene.#start("left", publishers());
    await scene.#start(
      "right",
      clientsOfServers((family) => network.address("left", family)),
    );
    await scene.#start(
      "left",
      clients((family) => network.address("right", family)),
      prefix,
    );
    const stand = (sockets: SocketLine[]): boolean =>
      sockets.filter(({ state, remote }) => state === ESTABLISHED && !LOOPBACK.test(remote))
        .length === scene.seen.size;
    await scene.#until("left", stand, "all connections stand");
    return scene;
  }

  /**
   * Pulls the cable and waits. Returns, by connection, the time until the program saw its error.
   */
  async cut(waitMs: number): Promise<Record<string, number | null>> {
    const early = [...this.seen].filter(([, at]) => at !== null);
    if (early.length > 0)
      throw new Error(
        `lost before the cable was pulled: ${JSON.stringify(early)}\n${this.said.join("\n")}`,
      );
    await this.network.pullCable();
    const cutAt = performance.now();
    while (performance.now() < cutAt + waitMs && [...this.seen.values()].includes(null))
      await sleep(50);
    return Object.fromEntries(
      [...this.seen].map(([name, at]) => [name, at === null ? null : Math.round(at - cutAt)]),
    );
  }

  async #start(
    host: Host,
    programs: Record<string, Program>,
    prefix: readonly string[] = [],
  ): Promise<void> {
    for (const [program, { user, commands, cells }] of Object.entries(programs)) {
      const process = await this.network.spawn(host, [
        ...as(user),
        ...prefix,
        ...SIDE_BY_SIDE,
        JSON.stringify(commands),
      ]);
      for (const name of Object.keys(cells)) this.seen.set(`${program}, ${name}`, null);
      process.onLine((line) => {
        this.said.push(`${program}: ${line}`);
        for (const [name, lost] of Object.entries(cells)) {
          const key = `${program}, ${name}`;
          if (lost.test(line) && this.seen.get(key) === null) this.seen.set(key, performance.now());
        }
      });
    }
  }

  /** Makes a database for one host, in a second or two. */
  async #database(host: Host): Promise<string> {
    const data = (await this.network.run(host, ["mktemp", "-d", "-p", this.#folder])).trim();
    await this.network.run(host, ["chown", "postgres", data]);
    await this.network.run(host, [...as("postgres"), "sh", "-c", initdb(data)]);
    return data;
  }

  async #until(
    host: Host,
    isThere: (sockets: SocketLine[]) => boolean,
    what: string,
  ): Promise<void> {
    for (let i = 0; i < 100; i++) {
      if (
        isThere(
          socketLines(await this.network.run(host, ["cat", "/proc/net/tcp", "/proc/net/tcp6"])),
        )
      )
        return;
      await sleep(200);
    }
    throw new Error(
      `waited 20 s in vain until ${what} on the ${host} host:\n${this.said.join("\n")}`,
    );
  }
}

interface SocketLine {
  readonly remote: string;
  readonly state: string;
}

function socketLines(text: string): SocketLine[] {
  const fields = text.split("\n").map((line) => line.trim().split(/\s+/));
  return fields.map(([, , remote = "", state = ""]) => ({ remote, state }));
}

/** Returns the command that runs a program as a user and without capabilities. */
function as(user: string): string[] {
  const group = user === "nobody" ? "nogroup" : user;
  return [
    "setpriv",
    `--reuid=${user}`,
    `--regid=${group}`,
    "--clear-groups",
    "--bounding-set=-all",
    "--inh-caps=-all",
    "--no-new-privs",
  ];
}
