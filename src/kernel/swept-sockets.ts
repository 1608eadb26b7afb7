import type { SweepCanary } from "./sweep-canary.ts";
import { RECORD_BYTES, SweptSocket } from "./swept-socket.ts";

const RECORD_WORDS = RECORD_BYTES / 4;
/** Kernel ticks a second: MIPS can be built with 24, x86_64 and arm64 with 100 to 1000, patched kernels with 500, 600 or 750 too (kernel/Kconfig.hz). */
const FEWEST_HZ = 24;
const MOST_HZ = 10_000;

/** What a sweep told, in the order of pids and descriptors. */
export class SweptSockets {
  readonly #pieces: readonly Uint32Array[];
  readonly #hz: number;

  private constructor(pieces: readonly Uint32Array[], hz: number) {
    this.#pieces = pieces;
    this.#hz = hz;
  }

  /** `null`: not to be believed, for a record is cut off, or one of our own sockets is not told as it is. */
  static tested(pieces: readonly Buffer[], canary: Pick<SweepCanary, "size" | "isOfOneSecond" | "confirms">): SweptSockets | null {
    if (pieces.some(({ length }) => length % RECORD_BYTES !== 0)) return null;
    const words = pieces.map(({ buffer, byteOffset, length }) => new Uint32Array(buffer, byteOffset, length / 4));
    const own = new SweptSockets(words, 1).#ofProcess(process.pid);
    const hz = (own.find((told) => canary.isOfOneSecond(told))?.keepaliveIdleMs ?? 0) / 1000;
    if (hz < FEWEST_HZ || hz > MOST_HZ) return null;
    const confirmed = own.filter((told) => canary.confirms(told.copy(hz)));
    return confirmed.length === canary.size ? new SweptSockets(words, hz) : null;
  }

  /** In one view that moves on. */
  forEach(onSocket: (socket: SweptSocket) => void): void {
    const socket = new SweptSocket(this.#hz);
    for (const piece of this.#pieces) {
      const records = piece.length / RECORD_WORDS;
      for (let record = 0; record < records; record++) onSocket(socket.moveTo(piece, record));
    }
  }

  #ofProcess(pid: number): SweptSocket[] {
    const found: SweptSocket[] = [];
    this.forEach((socket) => {
      if (socket.pid === pid) found.push(socket.copy());
    });
    return found;
  }
}
