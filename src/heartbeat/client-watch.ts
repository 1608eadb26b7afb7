import { EventEmitter } from "node:events";
import type { Duplex } from "node:stream";
import type { Diagnosis } from "../core/diagnosis.ts";
import { HalfOpenError } from "../core/errors.ts";
import { SMALLEST_BUDGET_MS } from "../core/judge/probe-plan.ts";
import { isQuickBudget } from "../core/judge/quick-terms.ts";
import { nextTick } from "../kernel/clock.ts";
import type { Heartbeat, WatchOptions } from "../watch/options.ts";
import { settingsOf } from "../watch/settings.ts";
import { NEWS, type WatchEvent } from "../watch/subscribers.ts";
import { surface } from "../watch/surface.ts";
import { watch } from "../watch/watch.ts";
import type { Watcher } from "../watch/watcher.ts";
import { carrierOf } from "./carrier.ts";
import { ASK_IDLE_FOR_MS } from "./clients/client-use.ts";

export interface ClientWatchOptions extends Omit<WatchOptions, "heartbeat"> {
  /**
   * Returns whether the peer's process can answer a heartbeat now. While a command blocks on
   * purpose, no answer can come, and only the host is judged. Default: what the adapter knows of
   * its client.
   */
  readonly canAsk?: (() => boolean) | undefined;
  /**
   * How long heartbeats go on after the program's last use of the client, in ms, for servers that
   * count a heartbeat as use: Redis, PostgreSQL and MySQL. Then they rest, so that the server's own
   * rules for idle clients hold (`timeout`, `idle_session_timeout`, `wait_timeout`), and a
   * serverless database falls asleep. The next one goes ahead of the program's next command. At
   * least 1000; default 60 000; `Infinity`: they never rest, and the server sees no idle client.
   */
  readonly askIdleForMs?: number | undefined;
}

/**
 * Calls `onSocket` for each present connection of a client and for each later one, and `onNothing`
 * for one that cannot be watched. Returns the function that stops the following.
 */
export type FollowSockets = (
  onSocket: OnSocket,
  onNothing: OnNothing,
  askIdleForMs: number,
) => () => void;

/**
 * `heartbeat` proves over `stream` that the peer's process lives. `hasEnded` returns whether the
 * program has ended the client, whatever the method's name: nothing is asked any more, and the peer
 * may end the connection as it likes. A stream that is watched already is left as it is.
 */
export type OnSocket = (stream: Duplex, heartbeat: Heartbeat, hasEnded?: () => boolean) => void;

type OnNothing = (reason: string) => void;

/**
 * Returns the options of a client whose protocol owes an answer to each request, and whose server
 * has answered some by the time that the client is connected. A silence then counts from the first
 * heartbeat on.
 */
export function withAnswerOwed(options: ClientWatchOptions = {}): ClientWatchOptions {
  return { ...options, expect: options.expect ?? "process" };
}

/** A client that sends a heartbeat although the answer to another one is missing. */
export const ASKS_AGAIN = { asksAgain: true } as const;

/** A heartbeat ahead of a command costs a round trip: not more often than this. */
const LEAST_ASK_IDLE_MS = 1000;

/** Each connection of a client has events of its own; the diagnosis has its addresses. */
interface ClientWatchEvents {
  suspect: [diagnosis: Diagnosis, stream: Duplex];
  overdue: [diagnosis: Diagnosis, stream: Duplex];
  alive: [diagnosis: Diagnosis, stream: Duplex];
  dead: [diagnosis: Diagnosis, stream: Duplex];
  close: [diagnosis: Diagnosis, stream: Duplex];
  /**
   * A connection of the client cannot be watched, and is left as it is. Emitted on the next tick at
   * the earliest, so that a listener added right after the call hears it.
   */
  unwatched: [error: HalfOpenError, stream: Duplex | null];
}

/**
 * The watch of a client through all its reconnects, or of several connections: of a pool, a
 * cluster, a server.
 */
export class ClientWatch extends EventEmitter<ClientWatchEvents> implements Disposable {
  readonly #options: Omit<WatchOptions, "signal">;
  readonly #signal: AbortSignal | undefined;
  /** By the stream that the client has, the oldest first. */
  readonly #watchers: Map<Duplex, Watcher> = new Map();
  readonly #stopFollowing: () => void;
  #isClosed = false;

  constructor(
    follow: FollowSockets,
    { canAsk, askIdleForMs = ASK_IDLE_FOR_MS, signal, ...options }: ClientWatchOptions = {},
    { asksAgain = false }: { readonly asksAgain?: boolean } = {},
  ) {
    super();
    // Bad options are refused now, not at the first connection
    const { detectWithinMs } = settingsOf({ ...options, signal, heartbeat: () => undefined });
    if (isQuickBudget(detectWithinMs) && !asksAgain)
      throw new HalfOpenError(
        "ERR_OPTION_RANGE",
        `detectWithinMs is ${detectWithinMs}; give at least ${SMALLEST_BUDGET_MS}: a shorter budget takes several questions at once, and this client asks its server one at a time`,
      );
    if (!(askIdleForMs >= LEAST_ASK_IDLE_MS))
      throw new HalfOpenError(
        "ERR_OPTION_RANGE",
        `askIdleForMs is ${askIdleForMs}; give at least ${LEAST_ASK_IDLE_MS}, or Infinity`,
      );

    this.#options = options;
    this.#signal = signal;
    this.#isClosed = signal?.aborted === true;

    const onSocket: OnSocket = (stream, heartbeat, hasEnded) => {
      const asks = canAsk ? () => (canAsk() ? heartbeat() : undefined) : heartbeat;
      this.#begin(stream, hasEnded ? Object.assign(asks, { hasEnded }) : asks);
    };
    const onNothing: OnNothing = (reason) =>
      this.#tellUnwatched(new HalfOpenError("ERR_NOT_SUPPORTED", reason), null);
    this.#stopFollowing = this.#isClosed ? () => {} : follow(onSocket, onNothing, askIdleForMs);
    if (!this.#isClosed) signal?.addEventListener("abort", this.#onAbort);
  }

  /** The watch of the newest connection; `null` while there is none. */
  get current(): Watcher | null {
    return this.currents.at(-1) ?? null;
  }

  /** The watches of all connections that the client has now, the oldest first. */
  get currents(): Watcher[] {
    return [...this.#watchers.values()];
  }

  /** Ends the watch. The client's sockets stay as they were before. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;

    this.#signal?.removeEventListener("abort", this.#onAbort);
    this.#stopFollowing();
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  readonly #onAbort = (): void => this.close();

  /**
   * Watches a stream by itself, or by the socket that carries nothing else. The host of a socket
   * that other streams share is watched beside the stream: it stands for them all, and a heartbeat
   * for its own stream only.
   */
  #begin(stream: Duplex, heartbeat: Heartbeat): void {
    if (this.#isClosed || this.#watchers.has(stream)) return;
    const carrier = carrierOf(stream);
    if (carrier === null) this.#watch(stream, stream, { ...this.#options, heartbeat });
    else if (!carrier.isShared)
      this.#watch(stream, carrier.socket, { ...this.#options, heartbeat });
    else {
      const { expect, detector, ...hostOnly } = this.#options;
      this.#watch(carrier.socket, carrier.socket, hostOnly);
      if (expect === "host") return;
      const process = this.#watch(stream, stream, { ...this.#options, heartbeat });
      process?.on("close", () => this.#leaveShared(carrier.socket));
    }
  }

  /** `key`: what the client has; `stream`: what is watched of it. */
  #watch(key: Duplex, stream: Duplex, options: WatchOptions): Watcher | null {
    if (this.#watchers.has(key)) return null;
    try {
      const watcher = watch(stream, options);
      this.#watchers.set(key, watcher);

      for (const event of NEWS)
        watcher.on(event, (diagnosis) => this.#report(event, diagnosis, stream));
      watcher.on("close", (diagnosis) => {
        this.#watchers.delete(key);
        this.#report("close", diagnosis, stream);
      });
      watcher.on("unwatched", (error) => {
        this.#watchers.delete(key);
        this.#tellUnwatched(error, stream);
      });
      return watcher;
    } catch (error) {
      if (!(error instanceof HalfOpenError) || error.code === "ERR_OPTION_RANGE") throw error;
      this.#tellUnwatched(error, stream);
      return null;
    }
  }

  /** Ends the watch of a socket that carries no watched stream any more. */
  #leaveShared(socket: Duplex): void {
    for (const stream of this.#watchers.keys()) if (carrierOf(stream)?.socket === socket) return;
    this.#watchers.get(socket)?.close();
    this.#watchers.delete(socket);
  }

  #tellUnwatched(error: HalfOpenError, stream: Duplex | null): void {
    nextTick(() => {
      if (!this.#isClosed) this.emit("unwatched", error, stream);
    });
  }

  #report(event: WatchEvent, diagnosis: Diagnosis, stream: Duplex): void {
    try {
      this.emit(event, diagnosis, stream);
    } catch (error) {
      surface(error);
    }
  }
}
