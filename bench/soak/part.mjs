// A server of the soak and its peers.
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { askerOf } from "./asked.mjs";
import { Softirqs } from "./softirqs.mjs";

export const FIRST_PORT = 7000;
const SETTLED_WITHIN_MS = 40_000;
const POLL_MS = 100;
/** What is traced takes a moment to get here. */
const TRACED_WITHIN_MS = 500;
const file = (name) => fileURLToPath(new URL(name, import.meta.url));

export class Part {
  #server;
  #peers;
  #softirqs;
  #connections = 0;
  /** How long each step of V8's marking took, in ms; only where that is traced. */
  markingSteps = [];
  #verdictsTold = 0;

  static async start(network, number, { budgetMs, tracesMarking }) {
    const part = new Part();
    const port = String(FIRST_PORT + number);
    const name = `soak-${port}`;
    const server = await network.spawnServer([
      process.execPath,
      "--expose-gc",
      ...(tracesMarking ? ["--trace-incremental-marking"] : []),
      `--title=${name}`,
      file("./subject.mjs"),
      port,
      String(budgetMs),
    ]);
    part.#server = await askerOf(server, (line) => void part.markingSteps.push(...stepOf(line)));
    part.#softirqs = await Softirqs.in(name);
    part.#peers = await askerOf(
      await network.spawnPeers([
        process.execPath,
        file("./peers.mjs"),
        network.server,
        port,
        String(number),
      ]),
    );
    return part;
  }

  async connect(count) {
    this.#connections = count;
    await this.#peers("connect", count);
    await this.#settled();
  }

  async load({ churnPerSecond, questionsPerSecond, inFlight, busyShare }, forMs) {
    await this.#server("work", { busyShare, forMs });
    await this.#server("push", { connections: inFlight, forMs });
    await this.#peers("ask", { perSecond: questionsPerSecond, forMs });
    await this.#peers("churn", { perSecond: churnPerSecond, forMs });
  }

  /** Bytes after collection, once all who left are gone. */
  async heap() {
    await this.#settled();
    return (await this.#server("heap")).heapUsed;
  }

  async cpuUs() {
    const { user, system } = await this.#server("cpu");
    return user + system;
  }

  /** Since the last call. `softirqMs` of a long one: `null` where that cannot be traced. */
  async ownTime() {
    const ownTime = await this.#server("ownTime");
    await sleep(TRACED_WITHIN_MS);
    const softirqMs = ({ from, to }) => this.#softirqs?.within(from, to) ?? null;
    return { ...ownTime, long: ownTime.long.map((it) => ({ ...it, softirqMs: softirqMs(it) })) };
  }

  async end() {
    await this.#softirqs?.end();
  }

  /** Since the last call. */
  async verdicts() {
    const { verdicts } = await this.#server("record");
    const fresh = verdicts.slice(this.#verdictsTold);
    this.#verdictsTold = verdicts.length;
    return fresh;
  }

  doom(count) {
    return this.#peers("doom", count);
  }

  rollCall() {
    return this.#peers("rollCall");
  }

  async record() {
    return { ...(await this.#server("record")), ...(await this.#peers("record")) };
  }

  /**
   * Until all who left are gone on both sides. Where a side never agrees, the report will show it.
   */
  async #settled() {
    const end = performance.now() + SETTLED_WITHIN_MS;
    while (performance.now() < end && (await this.missing()) !== 0) await sleep(POLL_MS);
  }

  /** How many more connections the two sides should hold or not hold. */
  async missing() {
    const held = [await this.#server("count"), await this.#peers("count")];
    return held.reduce((sum, count) => sum + Math.abs(count - this.#connections), 0);
  }
}

function stepOf(line) {
  const [, ms] = line.match(/\[IncrementalMarking\] Step .* in ([\d.]+)$/) ?? [];
  return ms === undefined ? [] : [Number(ms)];
}
