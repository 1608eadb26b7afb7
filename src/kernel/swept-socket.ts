import type { AppliedKeepalive } from "./applied-keepalive.ts";
import type { MemberPlace } from "./btf.ts";

/** What the sweep's program writes of each socket: words, the cookie two of them. */
export const RECORD_BYTES = 48;
export const RECORD: Readonly<Record<Field, MemberPlace>> = {
  pid: word(0),
  fd: word(1),
  inode: word(2),
  flags: word(3),
  cookie: { offset: 16, bytes: 8 },
  keepaliveTime: word(6),
  keepaliveInterval: word(7),
  keepaliveProbes: word(8),
  userTimeout: word(9),
  rtoMax: word(10),
};
type Field =
  | "pid"
  | "fd"
  | "inode"
  | "flags"
  | "cookie"
  | "keepaliveTime"
  | "keepaliveInterval"
  | "keepaliveProbes"
  | "userTimeout"
  | "rtoMax";

/** What decides, beside the switch. */
const SETTINGS: readonly MemberPlace[] = [
  RECORD.keepaliveTime,
  RECORD.keepaliveInterval,
  RECORD.keepaliveProbes,
  RECORD.userTimeout,
  RECORD.rtoMax,
];

/** include/net/sock.h, enum sock_flags: the bit SOCK_KEEPOPEN. */
const KEEPALIVE_FLAG = 1 << 3;
const WORDS = RECORD_BYTES / 4;

function word(index: number): MemberPlace {
  return { offset: 4 * index, bytes: 4 };
}

/** A descriptor that leads to a socket, as the sweep saw it. A view over bytes, moved on by whoever walks them. */
export class SweptSocket {
  /** Kernel ticks a second (CONFIG_HZ), in which the kernel counts some times. */
  readonly hz: number;
  #words: Uint32Array = new Uint32Array(WORDS);
  #first = 0;

  constructor(hz: number) {
    this.hz = hz;
  }

  /** A view that stays, as if the kernel counted `hz` ticks a second. */
  copy(hz: number = this.hz): SweptSocket {
    return new SweptSocket(hz).moveTo(this.#words, this.#first / WORDS);
  }

  moveTo(words: Uint32Array, record: number): this {
    this.#words = words;
    this.#first = record * WORDS;
    return this;
  }

  /** In the pid namespace of this process; 0 for a process that just ended. */
  get pid(): number {
    return this.#word(RECORD.pid);
  }

  get fd(): number {
    return this.#word(RECORD.fd);
  }

  get inode(): number {
    return this.#word(RECORD.inode);
  }

  /** 0, as is all that follows, for what is no TCP socket, and when nobody has asked for the cookie yet. */
  get cookieLow(): number {
    return this.#word(RECORD.cookie);
  }

  get cookieHigh(): number {
    return this.#words[this.#first + RECORD.cookie.offset / 4 + 1] ?? 0;
  }

  get isKeepaliveOn(): boolean {
    return (this.#word(RECORD.flags) & KEEPALIVE_FLAG) !== 0;
  }

  /** Whole seconds, rounded down, as getsockopt tells it (net/ipv4/tcp.c). */
  get keepaliveIdleMs(): number {
    return 1000 * Math.floor(this.#word(RECORD.keepaliveTime) / this.hz);
  }

  get keepaliveIntervalMs(): number {
    return 1000 * Math.floor(this.#word(RECORD.keepaliveInterval) / this.hz);
  }

  get keepaliveCount(): number {
    return this.#word(RECORD.keepaliveProbes);
  }

  get keepalive(): AppliedKeepalive {
    return {
      enabled: this.isKeepaliveOn,
      idleMs: this.keepaliveIdleMs,
      intervalMs: this.keepaliveIntervalMs,
      count: this.keepaliveCount,
    };
  }

  get userTimeoutMs(): number {
    return this.#word(RECORD.userTimeout);
  }

  /** Rounded up, as getsockopt tells it (jiffies_to_msecs() in kernel/time/time.c). `null` where the kernel has no such setting. */
  get rtoMaxMs(): number | null {
    const ticks = this.#word(RECORD.rtoMax);
    return ticks === 0 ? null : Math.ceil((1000 * ticks) / this.hz);
  }

  isSetLike(other: SweptSocket): boolean {
    return this.isKeepaliveOn === other.isKeepaliveOn && SETTINGS.every((place) => this.#word(place) === other.#word(place));
  }

  #word({ offset }: MemberPlace): number {
    return this.#words[this.#first + offset / 4] ?? 0;
  }
}
