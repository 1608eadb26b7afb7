// A subject and its peers, each in a process of its own.
import { fork } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { ALL_MECHANISMS } from "./mechanisms.mjs";

const ACCEPT_POLL_MS = 20;
const ACCEPT_WITHIN_MS = 10_000;
const file = (name) => fileURLToPath(new URL(name, import.meta.url));

/** Runs `work` with a population of that mechanism and ends it again. */
export async function withPopulation(mechanism, work) {
  const population = await Population.start(mechanism);
  try {
    return await work(population);
  } finally {
    await population.close();
  }
}

class Population {
  #subject;
  #peers;
  #lastId = 0;

  static async start(mechanism) {
    const population = new Population();
    population.#subject = fork(file("./subject.mjs"), [mechanism], { execArgv: ["--expose-gc"] });
    const [{ port }] = await once(population.#subject, "message");
    population.#peers = fork(file("./peers.mjs"), [ALL_MECHANISMS[mechanism].peer, String(port)]);
    return population;
  }

  get pids() {
    return [this.#subject.pid, this.#peers.pid];
  }

  /** As fast as it goes, or evenly over so long. */
  async connect(count, overMs = 0) {
    this.#peers.send({ connect: count, overMs });
    const [{ held }] = await once(this.#peers, "message");
    // The kernel accepts before the program does.
    for (let waited = 0; (await this.ask("count")) !== held; waited += ACCEPT_POLL_MS) {
      if (waited > ACCEPT_WITHIN_MS)
        throw new Error(`the subject does not hold the ${held} connections that its peers hold`);
      await sleep(ACCEPT_POLL_MS);
    }
  }

  async disconnect(count) {
    this.#peers.send({ close: count });
    await once(this.#peers, "message");
  }

  /** One of the works of subject.mjs. */
  async ask(work, argument) {
    const id = ++this.#lastId;
    this.#subject.send({ id, work, argument });
    for (;;) {
      const [reply] = await once(this.#subject, "message");
      if (reply.id !== id) continue;
      if (reply.error) throw new Error(reply.error);
      return reply.result;
    }
  }

  /** The peers first: a subject that ends alone would leave them resets. */
  async close() {
    const { count, last } = await this.ask("alarms");
    for (const child of [this.#peers, this.#subject]) {
      child.disconnect();
      if (child.exitCode === null) await once(child, "exit");
    }
    if (count > 0)
      throw new Error(`${count} live peers were called dead, the last one because: ${last}`);
  }
}
