import { COOKIE } from "../kernel/netlink/sock-diag-message.ts";
import { COOKIE_BYTES } from "../kernel/port/platform-linux.ts";

/** A hash bucket of the kernel holds one or two sockets. */
const LATEST = 8;

/**
 * Notices what a listing repeats: the kernel goes on in a hash bucket at the number where it
 * stopped, and a connection that was put into that bucket meanwhile moves those before it one
 * further (net/ipv4/inet_diag.c, tcp_diag_dump; it does not tell that as an interrupted dump). Seen
 * on 6.18 while some thousand connections were made.
 */
export class RecentCookies {
  readonly #low: Uint32Array = new Uint32Array(LATEST);
  readonly #high: Uint32Array = new Uint32Array(LATEST);
  #count = 0;

  /** `true`: one of the last few messages was about the same socket. */
  isRepeated(bytes: Buffer, start: number, end: number): boolean {
    // Cut short: whoever takes it will refuse it
    if (end > bytes.length || end - start < COOKIE + COOKIE_BYTES) return false;
    const low = bytes.readUInt32LE(start + COOKIE);
    const high = bytes.readUInt32LE(start + COOKIE + 4);
    for (let i = 0; i < Math.min(this.#count, LATEST); i++)
      if (this.#low[i] === low && this.#high[i] === high) return true;
    this.#low[this.#count % LATEST] = low;
    this.#high[this.#count % LATEST] = high;
    this.#count++;
    return false;
  }
}
