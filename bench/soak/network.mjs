// The network of the soak: the server, a router that loses packets, pulls cables and has a long
// queue, and a host that has every address of the peers.
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { slowLink } from "../../dist/lab/slow-link.js";
import { World } from "../../dist/lab/world.js";

/** Up to four processes of peers with 65536 addresses each; peers.mjs counts from here. */
const PEERS = "10.80.0.0/14";
/** Silence for everybody, for every second peer, and for those who were chosen. */
const SILENCES = {
  all: ["drop"],
  half: ["ip saddr & 0.0.0.1 == 0.0.0.1 drop", "ip daddr & 0.0.0.1 == 0.0.0.1 drop"],
  chosen: ["ip saddr @chosen drop", "ip daddr @chosen drop"],
};

/** Some twice of what the peers of a soak send, so that the queue empties by itself. */
const SLOW_KBIT = 8000;
/** More than any queue of a test holds, so that nothing is lost but time. */
const QUEUE_BYTES = 256_000_000;
const FLOOD = fileURLToPath(new URL("./flood.mjs", import.meta.url));
const FAST_KBIT = 10_000_000;
const ENDED_WITHIN_MS = 5000;
const DRAINED_WITHIN_MS = 200;

export class SoakNetwork {
  #world;
  #network;

  static async open() {
    const it = new SoakNetwork();
    it.#world = await World.open();
    it.#network = await it.#world.network({ variant: "router" });
    await it.#network.run("right", ["ip", "route", "add", "local", PEERS, "dev", "lo"]);
    await it.#network.run("mid", [
      "ip",
      "route",
      "add",
      PEERS,
      "via",
      it.#network.address("right"),
    ]);
    await it.#nft(
      `table ip soak {
        set chosen { type ipv4_addr; }
        chain silence { }
        chain loss { }
        chain forward {
          type filter hook forward priority 0;
          jump silence
          jump loss
        }
      }`,
    );
    return it;
  }

  get server() {
    return this.#network.address("left");
  }

  spawnServer(argv) {
    return this.#network.spawn("left", argv, { unprivileged: true });
  }

  spawnPeers(argv) {
    return this.#network.spawn("right", argv);
  }

  /** The share of packets lost from now on, each way. */
  async lose(ratio) {
    await this.#nft(
      `flush chain ip soak loss; add rule ip soak loss numgen random mod 10000 < ${Math.round(ratio * 10_000)} drop`,
    );
  }

  async choose(addresses) {
    await this.#nft(`add element ip soak chosen { ${addresses.join(", ")} }`);
  }

  /**
   * From now on, in both directions and without a word. Resolves with the last instant at which
   * nothing was cut yet.
   */
  async silence(whom) {
    const before = Number(process.hrtime.bigint()) / 1e6;
    await this.#nft(SILENCES[whom].map((rule) => `add rule ip soak silence ${rule}`).join("\n"));
    return before;
  }

  async heal() {
    await this.#nft("flush chain ip soak silence");
  }

  /** For a time the round trip of everybody is longer by this, from one moment to the next. */
  async stepDelay(byMs, forMs) {
    await this.#slowDown(SLOW_KBIT);
    await this.#flood(["burst", this.server, (byMs * SLOW_KBIT) / 8, SLOW_KBIT / 2], forMs);
  }

  /** For a time uploads to the server fill the queue of the router, each up to its own buffer. */
  async bloat(port, uploads, forMs) {
    await this.#slowDown(SLOW_KBIT);
    await this.#flood(["upload", this.server, port, uploads], forMs);
  }

  /** Ends with an empty queue: to remove it would lose what it holds. */
  async #flood(argv, forMs) {
    const words = [process.execPath, FLOOD, ...argv.map(String)];
    const flood = await this.#network.spawn("right", words);
    const ended = new Promise((resolve) => flood.onExit(resolve));
    await sleep(forMs);
    await flood.signal("SIGTERM");
    await this.#slowDown(FAST_KBIT);
    await Promise.race([ended, sleep(ENDED_WITHIN_MS)]);
    await sleep(DRAINED_WITHIN_MS);
    await this.#network.run("mid", ["tc", "qdisc", "del", "dev", "left", "root"]);
  }

  #slowDown(kbit) {
    return slowLink(this.#network, "left", `rate ${kbit}kbit burst 64kb limit ${QUEUE_BYTES}`);
  }

  close() {
    return this.#world.close();
  }

  #nft(commands) {
    return this.#network.run("mid", ["nft", commands]);
  }
}
