// One client's part of the load: what it does, in an order that depends on the seed alone.
import { AsyncLocalStorage } from "node:async_hooks";
import { createHash } from "node:crypto";
import { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { seededRandom } from "../../dist/testing/index.js";

/**
 * Lengths of long steps, in budgets: each comes once before any comes again. The longest comes
 * first, so that a short run has it too.
 */
const LONG_BUDGETS = [4, 0.3, 0.9, 1.5, 2.5];
const REST_MS = 300;
/** Longer results are told by their digest. */
const LONGEST_RESULT = 400;
/**
 * How late a rule may be for the lost packets of the last answer and of the server's end, and for a
 * server that looks for idle clients once a second.
 */
const LATE_MS = 5000;
const NOT_ENDED = "not ended";

/**
 * @typedef {object} Terms
 * @property {string} twin `watched` or `alone`.
 * @property {string} host The servers'.
 * @property {number} budgetMs
 * @property {number} askIdleForMs
 * @property {number} ruleMs How long the servers let a client be idle.
 * @property {number} seed
 * @property {number} forMs
 */

/**
 * What a client does, again and again: opens, takes each of its steps once, and closes. A step
 * returns what the program would see.
 *
 * @typedef {object} Opened
 * @property {Record<string, () => Promise<unknown>>} steps
 * @property {() => unknown} close
 *
 * @typedef {object} Idle A client that its program uses and then leaves alone.
 * @property {readonly (() => Promise<unknown>)[]} uses
 * @property {Promise<string>} ended How the server ends it.
 * @property {() => unknown} close
 */

/** What a connection was opened for: `mayEnd` once the program closes it. */
const openings = new AsyncLocalStorage();

const { connect } = Socket.prototype;
Socket.prototype.connect = function connectFollowed(...args) {
  openings.getStore()?.lane.follow(this, openings.getStore());
  return connect.apply(this, args);
};

/** A client's place in a twin: its random numbers, its watch, what it says. */
export class Lane {
  opened = 0;
  #say;
  #random;
  #lengths = [];
  #end;

  /**
   * @param {string} name
   * @param {Terms} terms
   * @param {(event: string, more: object) => void} say
   */
  constructor(name, terms, say) {
    this.name = name;
    this.terms = terms;
    this.#say = (event, more) => say(event, { lane: name, ...more });
    const digest = createHash("sha1").update(`${terms.seed} ${name}`).digest();
    this.#random = seededRandom(digest.readInt32LE());
    this.#end = performance.now() + terms.forMs;
  }

  /**
   * Runs episode after episode until the time is over: all steps once, in an order of its own.
   *
   * @param {(lane: Lane) => Promise<Opened>} open
   */
  async run(open) {
    do {
      await this.within(
        () => open(this),
        async ({ steps }) => {
          for (const name of this.#shuffled(Object.keys(steps))) {
            if (this.#leftMs() <= 0) return;
            await this.#step(name, steps[name]);
            await sleep(this.number(REST_MS));
          }
        },
      ).catch((error) => {
        this.#told("episode", said(error), 0);
        return sleep(REST_MS);
      });
    } while (this.#leftMs() > 0);
  }

  /**
   * Leaves a client idle, again and again, until the server ends it by its rule.
   *
   * @param {string} rule
   * @param {{ isCounted: boolean }} kind Whether the server counts a heartbeat as use.
   * @param {(lane: Lane) => Promise<Idle>} begin
   */
  async runRule(rule, { isCounted }, begin) {
    const { twin, askIdleForMs, ruleMs } = this.terms;
    const asksMs = isCounted && twin === "watched" ? askIdleForMs : 0;
    const latestMs = ruleMs + asksMs + LATE_MS;
    do {
      const { ended, uses, close } = await openings.run({ lane: this, mayEnd: true }, begin, this);
      let usedAt = 0;
      for (const use of uses) {
        usedAt = performance.now();
        await use();
      }
      const how = await Promise.race([ended, sleep(latestMs, NOT_ENDED)]);
      const afterMs = performance.now() - usedAt;
      // A client that the server has ended may refuse to be closed
      await Promise.resolve(close()).catch(() => {});
      this.#say("rule", { rule, afterMs, isDue: how !== NOT_ENDED && afterMs >= ruleMs });
      this.#told(rule, how, 0);
    } while (this.#leftMs() > ruleMs + askIdleForMs + LATE_MS);
  }

  /** Opens, uses, and closes. A connection that ends before is lost. */
  within(open, use) {
    const opening = { lane: this, mayEnd: false };
    return openings.run(opening, async () => {
      const opened = await open();
      try {
        return await use(opened);
      } finally {
        opening.mayEnd = true;
        await opened.close();
      }
    });
  }

  /** A promise that a step awaits only later: its rejection is that of the step. */
  later(promise) {
    promise.catch(() => {});
    return promise;
  }

  /** Says of a socket that it was lost, unless its program ends it. */
  follow(socket, opening) {
    this.opened++;
    let isEndedByPeer = false;
    socket.once("end", () => {
      isEndedByPeer = !socket.writableEnded;
    });
    socket.once("close", (hadError) => {
      if (opening.mayEnd && hadError) this.#say("reset", {});
      if (!opening.mayEnd && (hadError || isEndedByPeer))
        this.#say("lost", { error: socket.errored ? said(socket.errored) : "ended by the peer" });
    });
  }

  /** Watches a client where this twin does. */
  watched(watchClient, client) {
    const { twin, budgetMs, askIdleForMs } = this.terms;
    if (twin !== "watched") return;
    const watch = watchClient(client, { detectWithinMs: budgetMs, askIdleForMs });
    for (const verdict of ["suspect", "overdue", "alive", "dead"])
      watch.on(verdict, ({ cause, why }) => this.#say("verdict", { verdict, cause, why }));
    watch.on("unwatched", ({ message }) =>
      this.#say("verdict", { verdict: "unwatched", cause: null, why: [message] }),
    );
  }

  /** A name of this lane's own on a server. */
  own(name) {
    return `mixed_${this.terms.twin}_${this.name.replaceAll("-", "_")}_${name}`;
  }

  /** A whole number below `below`. */
  number(below) {
    return Math.floor(this.#random() * below);
  }

  longMs() {
    if (this.#lengths.length === 0) {
      const [longest, ...shorter] = LONG_BUDGETS;
      this.#lengths = [longest, ...this.#shuffled(shorter)];
    }
    return this.#lengths.shift() * this.terms.budgetMs;
  }

  restLong() {
    return sleep(this.longMs());
  }

  /** Pauses, at most until the time is over. */
  pause(ms) {
    return sleep(Math.max(0, Math.min(ms, this.#leftMs())));
  }

  async #step(name, work) {
    const began = performance.now();
    const result = await work().catch(said);
    this.#told(name, result, performance.now() - began);
  }

  #told(step, result, ms) {
    const text = JSON.stringify(result) ?? "undefined";
    this.#say("step", {
      step,
      ms,
      result: text.length <= LONGEST_RESULT ? text : createHash("sha1").update(text).digest("hex"),
    });
  }

  #leftMs() {
    return this.#end - performance.now();
  }

  #shuffled(values) {
    const left = [...values];
    return values.map(() => left.splice(this.number(left.length), 1)[0]);
  }
}

/** What a program sees of an error; the names of a lane's own things are not its twin's. */
export function said(error) {
  const { name, code, message } = error;
  return `${name} ${code ?? ""}: ${message.replaceAll(/mixed_(watched|alone)/g, "mixed")}`;
}

/** Messages that arrive for a program that waits for them. */
export class Inbox {
  #messages = [];
  #wake = () => {};

  put(message) {
    this.#messages.push(message);
    this.#wake();
  }

  async take(count) {
    while (this.#messages.length < count)
      await new Promise((resolve) => {
        this.#wake = () => resolve(undefined);
      });
    return this.#messages.splice(0, count);
  }
}
