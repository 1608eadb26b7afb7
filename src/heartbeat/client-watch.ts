import { EventEmitter } from "node:events";
import type { Socket } from "node:net";
import type { Diagnosis } from "../core/diagnosis.ts";
import { HalfOpenError } from "../core/errors.ts";
import type { Heartbeat, WatchOptions } from "../watch/options.ts";
import { settingsOf } from "../watch/settings.ts";
import { NEWS, type WatchEvent } from "../watch/subscribers.ts";
import { surface } from "../watch/surface.ts";
import { watch } from "../watch/watch.ts";
import type { Watcher } from "../watch/watcher.ts";

export interface ClientWatchOptions extends Omit<WatchOptions, "heartbeat"> {
  /**
   * Returns whether the peer's process can answer a heartbeat now. While a command blocks on
   * purpose, no answer can come, and only the host is judged. Default: what the adapter knows of
   * its client.
   */
  readonly canAsk?: (() => boolean) | undefined;
}

/**
 * Calls `onSocket` for the client's present socket and for each later one. Returns the function
 * that stops the following.
 */
export type FollowSockets = (onSocket: OnSocket) => () => void;

/** `heartbeat` proves over `socket` that the peer's process lives. */
export type OnSocket = (socket: Socket, heartbeat: Heartbeat) => void;

interface ClientWatchEvents {
  suspect: [diagnosis: Diagnosis, socket: Socket];
  overdue: [diagnosis: Diagnosis, socket: Socket];
  alive: [diagnosis: Diagnosis, socket: Socket];
  dead: [diagnosis: Diagnosis, socket: Socket];
  close: [diagnosis: Diagnosis, socket: Socket];
  /** A connection of the client cannot be watched, and is left as it is. */
  unwatched: [error: HalfOpenError];
}

/** The watch of a client through all its reconnects. */
export class ClientWatch extends EventEmitter<ClientWatchEvents> implements Disposable {
  readonly #options: Omit<WatchOptions, "signal">;
  readonly #signal: AbortSignal | undefined;
  readonly #watchers: Set<Watcher> = new Set();
  readonly #stopFollowing: () => void;
  #isClosed = false;

  constructor(follow: FollowSockets, { canAsk, signal, ...options }: ClientWatchOptions = {}) {
    super();
    // Bad options are refused now, not at the first connection
    settingsOf({ ...options, signal, heartbeat: () => undefined });

    this.#options = options;
    this.#signal = signal;
    this.#isClosed = signal?.aborted === true;

    const onSocket: OnSocket = (socket, heartbeat) =>
      this.#begin(socket, canAsk ? () => (canAsk() ? heartbeat() : undefined) : heartbeat);
    this.#stopFollowing = this.#isClosed ? () => {} : follow(onSocket);
    if (!this.#isClosed) signal?.addEventListener("abort", this.#onAbort);
  }

  /** The watch of the newest connection; `null` while there is none. */
  get current(): Watcher | null {
    return [...this.#watchers].at(-1) ?? null;
  }

  /** Ends the watch. The client's socket stays as it was before. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;

    this.#signal?.removeEventListener("abort", this.#onAbort);
    this.#stopFollowing();
    for (const watcher of this.#watchers) watcher.close();
    this.#watchers.clear();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  readonly #onAbort = (): void => this.close();

  #begin(socket: Socket, heartbeat: Heartbeat): void {
    if (this.#isClosed) return;
    try {
      const watcher = watch(socket, { ...this.#options, heartbeat });
      this.#watchers.add(watcher);

      for (const event of NEWS)
        watcher.on(event, (diagnosis) => this.#report(event, diagnosis, socket));
      watcher.on("close", (diagnosis) => {
        this.#watchers.delete(watcher);
        this.#report("close", diagnosis, socket);
      });
      watcher.on("unwatched", (error) => {
        this.#watchers.delete(watcher);
        this.emit("unwatched", error);
      });
    } catch (error) {
      if (!(error instanceof HalfOpenError) || error.code === "ERR_OPTION_RANGE") throw error;
      this.emit("unwatched", error);
    }
  }

  #report(event: WatchEvent, diagnosis: Diagnosis, socket: Socket): void {
    try {
      this.emit(event, diagnosis, socket);
    } catch (error) {
      surface(error);
    }
  }
}
