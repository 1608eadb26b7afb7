import type { TcpInfo } from "../../core/tcp-info.ts";
import { platform } from "../port/platform.ts";
import { IPPROTO_TCP } from "../port/platform-linux.ts";
import { requirePort } from "../port/socket-option.ts";
import type { SocketPort } from "../port/socket-port.ts";
import { decodeTcpInfo } from "./codec-linux.ts";
import { type CalmReading, compareCalm, heardAgeOf, isAgeStill } from "./uneventful-linux.ts";

/**
 * The last readings of TCP_INFO of many connections (Linux), as the kernel gave them and outside
 * the JavaScript heap: an object for each would be the largest part of what a watched connection
 * costs.
 */
class TcpInfoShelf {
  #bytes: Uint8Array = new Uint8Array(FIRST_PLACES * PLACE_BYTES);
  #view: DataView = new DataView(this.#bytes.buffer);
  readonly #free: number[] = [];
  #places = 0;
  /** The reading just taken. */
  readonly #taken: Uint8Array = new Uint8Array(512);
  readonly #takenView: DataView = new DataView(this.#taken.buffer);
  readonly #takenHead: Uint8Array = this.#taken.subarray(0, LENGTH_AT);
  #length = 0;
  #decoded: TcpInfo | null = null;
  #port: SocketPort | null = null;

  /** Returns a place for one more connection; give it back with {@link leave}. */
  enter(): number {
    const place = this.#free.pop() ?? this.#places++;
    if ((place + 1) * PLACE_BYTES > this.#bytes.length) this.#grow();
    this.#view.setUint32(place * PLACE_BYTES + LENGTH_AT, 0, true);
    return place;
  }

  leave(place: number): void {
    this.#free.push(place);
  }

  /** Takes a reading; returns `false` if the descriptor is no TCP socket (any more). */
  read(fd: number): boolean {
    this.#decoded = null;
    this.#port ??= requirePort();
    const length = this.#port.getsockopt(fd, IPPROTO_TCP, TCP_INFO, this.#taken);
    this.#length = Math.min(LENGTH_AT, length);
    return this.#length >= 0;
  }

  /** Returns the reading just taken, decoded once. */
  taken(): TcpInfo {
    this.#decoded ??= decodeTcpInfo(this.#takenView, this.#length);
    return this.#decoded;
  }

  /** Puts the reading just taken in the place. */
  keep(place: number): void {
    const at = place * PLACE_BYTES;
    this.#bytes.set(this.#takenHead, at);
    this.#view.setUint32(at + LENGTH_AT, this.#length, true);
  }

  /** Returns whether the place holds a reading yet. */
  has(place: number): boolean {
    return this.#keptLength(place) > 0;
  }

  /** Returns the reading that the place holds. */
  kept(place: number): TcpInfo {
    return decodeTcpInfo(
      new DataView(this.#bytes.buffer, place * PLACE_BYTES, LENGTH_AT),
      this.#keptLength(place),
    );
  }

  /** Returns how long before the kept reading the peer was last heard, in ms. */
  keptHeardAgeMs(place: number): number {
    return heardAgeOf(this.#view, place * PLACE_BYTES);
  }

  /**
   * Compares the reading just taken with the kept one. Returns `null` if something happened that a
   * judge has to see (see {@link isUneventful}).
   */
  calmSince(place: number): CalmReading | null {
    const at = place * PLACE_BYTES;
    return compareCalm(this.#view, at, this.#takenView, this.#length);
  }

  /** Returns whether the reading just taken contradicts the kept one: see {@link isAgeStill}. */
  isStill(place: number, elapsedMs: number): boolean {
    if (elapsedMs < SHOWS_AFTER_MS || this.#keptLength(place) === 0) return false;
    return isAgeStill(this.#view, place * PLACE_BYTES, this.#takenView, this.#length, elapsedMs);
  }

  #keptLength(place: number): number {
    return this.#view.getUint32(place * PLACE_BYTES + LENGTH_AT, true);
  }

  #grow(): void {
    const bytes = new Uint8Array(2 * this.#bytes.length);
    bytes.set(this.#bytes);
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer);
  }
}

/**
 * A place holds the part of struct tcp_info that decodeTcpInfo reads, and behind it the length that
 * the kernel gave.
 */
const PLACE_BYTES = 256;
const LENGTH_AT = 248;
const FIRST_PLACES = 64;
/** Two readings this far apart show whether the age moves. */
const SHOWS_AFTER_MS = 1000;
const TCP_INFO = platform.tcpInfo?.option ?? -1;

/** The readings of all connections that this event loop watches. */
export const tcpInfoShelf: TcpInfoShelf = new TcpInfoShelf();
