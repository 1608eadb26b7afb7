import type { SystemPort } from "./port.ts";
import type { SockDiagId } from "./sock-diag-id.ts";
import { type DumpRequest, destroyRequest, dumpRequest, lookupRequest } from "./sock-diag-request.ts";

const AF_NETLINK = 16;
const SOCK_RAW_CLOEXEC = 3 | 0o2000000;
const NETLINK_SOCK_DIAG = 4;
const MSG_DONTWAIT = 0x40;

const HEADER_BYTES = 16;
const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
const SOCK_DIAG_BY_FAMILY = 20;
const NLM_F_DUMP_INTR = 0x10;

/** The kernel fills 32 KB a time (measured on 6.18); a message is never cut as long as we offer more. */
const BUFFER_BYTES = 65_536;
const EAGAIN = 11;
const EBADMSG = 74;
const EPROTO = 71;

/** Told of each message; it lies in `bytes` at [start, end) until the call returns. */
export type OnSocket = (bytes: Buffer, start: number, end: number) => void;

export interface DumpOutcome {
  /** 0, or the errno: of the kernel's refusal, or EBADMSG for an answer that breaks its own lengths. */
  readonly errno: number;
  /** The kernel says that its table changed under the dump (NLM_F_DUMP_INTR): entries may be missing or come twice. */
  readonly isInterrupted: boolean;
}

/** What became of one netlink message. */
type Step = { readonly isEnd: boolean; readonly errno: number };
const GO_ON: Step = { isEnd: false, errno: 0 };

/**
 * A socket to the kernel's sock_diag: lists TCP sockets, asks for one, aborts one. Synchronous: the kernel answers inside recv().
 * It sees the network namespace it was opened in, whatever the thread does later.
 */
export class SockDiag {
  readonly #port: SystemPort;
  readonly #fd: number;
  readonly #buffer: Buffer = Buffer.alloc(BUFFER_BYTES);
  #sequence = 0;

  private constructor(port: SystemPort, fd: number) {
    this.#port = port;
    this.#fd = fd;
  }

  /** A negative number is -errno: a sandbox may refuse netlink. */
  static open(port: SystemPort): SockDiag | number {
    const fd = port.socket(AF_NETLINK, SOCK_RAW_CLOEXEC, NETLINK_SOCK_DIAG);
    return fd < 0 ? fd : new SockDiag(port, fd);
  }

  /**
   * Tells of every socket asked for. `room` gives the memory for each answer, aligned to words, so that what is kept need not be copied.
   * After an error the socket may have answers under way: close it.
   */
  dump(request: DumpRequest, onSocket: OnSocket, room?: (bytes: number) => Buffer): DumpOutcome {
    const sequence = ++this.#sequence;
    const sent = this.#port.send(this.#fd, dumpRequest(request, sequence), 0);
    if (sent < 0) return { errno: -sent, isInterrupted: false };
    let isInterrupted = false;
    for (;;) {
      const buffer = room ? room(BUFFER_BYTES) : this.#buffer;
      const length = this.#port.recv(this.#fd, buffer, MSG_DONTWAIT);
      if (length < 0) return { errno: -length, isInterrupted };
      if (length === 0) return { errno: EPROTO, isInterrupted };
      const step = walkMessages(buffer, length, sequence, (start, end, flags) => {
        if ((flags & NLM_F_DUMP_INTR) !== 0) isInterrupted = true;
        onSocket(buffer, start, end);
      });
      if (step.isEnd) return { errno: step.errno, isInterrupted };
    }
  }

  /** Asks for exactly this socket. Returns 0, or the errno; ENOENT (2) when it is gone. */
  lookup(id: SockDiagId, onSocket: OnSocket): number {
    const sequence = ++this.#sequence;
    const sent = this.#port.send(this.#fd, lookupRequest(id, sequence), 0);
    if (sent < 0) return -sent;
    let isFound = false;
    const step = this.#receiveAnswer(sequence, (start, end) => {
      isFound = true;
      onSocket(this.#buffer, start, end);
    });
    if (isFound) return 0;
    return step.errno === 0 ? EPROTO : step.errno;
  }

  /** Aborts exactly this socket. Returns 0, or the errno: EPERM without CAP_NET_ADMIN, ENOENT when it is gone, EOPNOTSUPP. */
  destroy(id: SockDiagId): number {
    const sequence = ++this.#sequence;
    const sent = this.#port.send(this.#fd, destroyRequest(id, sequence), 0);
    return sent < 0 ? -sent : this.#receiveAnswer(sequence, () => {}).errno;
  }

  close(): void {
    this.#port.close(this.#fd);
  }

  #receiveAnswer(sequence: number, onMessage: (start: number, end: number) => void): Step {
    // An older answer can only be left over from a question that failed half way; skip it.
    for (let tries = 0; tries < 8; tries++) {
      const length = this.#port.recv(this.#fd, this.#buffer, MSG_DONTWAIT);
      if (length < 0) return { isEnd: true, errno: -length };
      let isOurs = false;
      const step = walkMessages(this.#buffer, length, sequence, (start, end) => {
        isOurs = true;
        onMessage(start, end);
      });
      if (step.isEnd || isOurs) return step;
    }
    return { isEnd: true, errno: EAGAIN };
  }
}

/**
 * Walks the netlink messages of one datagram, which lies aligned to words; what belongs to another request is skipped, and no length is
 * believed unchecked.
 */
export function walkMessages(
  bytes: Buffer,
  length: number,
  sequence: number,
  onMessage: (start: number, end: number, flags: number) => void,
): Step {
  const limit = Math.min(length, bytes.length);
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2);
  let at = 0;
  while (at + HEADER_BYTES <= limit) {
    const first = at >> 2;
    const size = words[first] as number;
    if (size < HEADER_BYTES || at + size > limit) return { isEnd: true, errno: EBADMSG };
    if (words[first + 2] === sequence) {
      const kind = words[first + 1] as number;
      const type = kind & 0xffff;
      if (type === SOCK_DIAG_BY_FAMILY) onMessage(at + HEADER_BYTES, at + size, kind >>> 16);
      else if (type === NLMSG_DONE || type === NLMSG_ERROR) return { isEnd: true, errno: errnoOf(bytes, at, size, type) };
    }
    at += (size + 3) & ~3;
  }
  return GO_ON;
}

/** DONE carries the dump's outcome, ERROR the refusal or, with 0, the acknowledgement. */
function errnoOf(bytes: Buffer, at: number, size: number, type: number): number {
  if (size >= HEADER_BYTES + 4) return 0 - bytes.readInt32LE(at + HEADER_BYTES);
  return type === NLMSG_DONE ? 0 : EBADMSG;
}
