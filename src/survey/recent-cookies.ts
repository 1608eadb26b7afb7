import { COOKIE } from "../kernel/netlink/sock-diag-message.ts";
import { COOKIE_BYTES } from "../kernel/port/platform-linux.ts";

/**
 * Detects sockets that one listing reports twice. The kernel resumes a hash bucket at the position
 * where it stopped; a connection added to the bucket in between shifts the others by one, so that
 * one comes again (net/ipv4/inet_diag.c, tcp_diag_dump). The kernel does not report this as an
 * interrupted dump. Seen on 6.18 while some thousand connections were made.
 */
export class RecentCookies {
  readonly #low: Uint32Array = new Uint32Array(LATEST);
  readonly #high: Uint32Array = new Uint32Array(LATEST);
  #count = 0;

  /** True when one of the last few messages was about the same socket. */
  isRepeated(bytes: Buffer, start: number, end: number): boolean {
    // A message that is cut short goes on: the table refuses it.
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

/** A hash bucket of the kernel holds one or two sockets, so a repetition is close to the first. */
const LATEST = 8;
