import type { Socket } from "node:net";
import type { Instant } from "../core/time/instant.ts";
import { hasSeenEnd } from "./handle.ts";

/** What is known of a connection's end beside the events that report it. */
export class EndFacts {
  /** The kernel's error that the event loop took for an orderly end. */
  untoldError: string | null = null;
  /** See {@link Ending.isAfterOwnEnd}, of the error that ended the connection. */
  isAfterOwnEnd = false;
  #quietSince: Instant | null = null;
  /** The bytes that were read before the program's own end left. */
  #readBeforeOwnEnd = Number.POSITIVE_INFINITY;

  /** The kernel shows an end that the event loop has not reported. */
  get isSeen(): boolean {
    return this.#quietSince !== null;
  }

  /**
   * The event loop gets a grace time to report an end that the kernel shows. Returns whether it had
   * `graceMs` since the end was first seen.
   */
  isDue(now: Instant, graceMs: number): boolean {
    this.#quietSince ??= now;
    return now - this.#quietSince >= graceMs;
  }

  /** What happened: the program's own end was handed to the kernel. */
  finished({ bytesRead }: Socket): void {
    this.#readBeforeOwnEnd = bytesRead;
  }

  /**
   * Returns whether the program has ended its side and expects no more: the peer has ended too, or
   * has sent nothing since. A program that asked for a half-open connection waits for the peer's
   * end (docs/internals/evidence.md#a-reset-after-our-end).
   */
  isOver(socket: Socket): boolean {
    if (!socket.writableFinished) return false;
    // An error of the kernel may look like the peer's end
    if (hasSeenEnd(socket) && this.untoldError === null) return true;
    return !socket.allowHalfOpen && socket.bytesRead === this.#readBeforeOwnEnd;
  }
}

/** Grace time of the event loop. */
export const GRACE_MS = 20;

/** Grace time of an event loop that reads: it first delivers the data that came before the end. */
export const GRACE_READING_MS = 1000;
