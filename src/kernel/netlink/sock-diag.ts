import { EPROTO } from "../port/errno-linux.ts";
import type { SystemPort } from "../port/port.ts";
import {
  NETLINK_SOCK_DIAG,
  openNetlink,
  receive,
  request,
  walkMessages,
} from "./netlink-message.ts";
import type { SockDiagId } from "./sock-diag-id.ts";
import {
  type DumpRequest,
  destroyRequest,
  dumpRequest,
  lookupRequest,
  SOCK_DIAG_BY_FAMILY,
} from "./sock-diag-request.ts";

const NLM_F_DUMP_INTR = 0x10;

/**
 * The kernel fills 32 KB at a time (measured on 6.18). It never cuts a message as long as we offer
 * more.
 */
const BUFFER_BYTES = 65_536;

/** Receives each message, which lies in `bytes` at [start, end) until the call returns. */
export type OnSocket = (bytes: Buffer, start: number, end: number) => void;

export interface DumpOutcome {
  /** 0, or the errno of the kernel's refusal; EBADMSG for an answer that breaks its own lengths. */
  readonly errno: number;
  /**
   * True when the kernel reports that its table changed during the dump (NLM_F_DUMP_INTR): entries
   * may be missing or come twice.
   */
  readonly isInterrupted: boolean;
}

/**
 * A socket to the kernel's sock_diag: lists TCP sockets, finds one, aborts one. Synchronous: the
 * kernel answers inside the call. The socket sees the network namespace in which it was opened,
 * even when its thread has entered another.
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

  /** Returns -errno where netlink is refused, as a sandbox may do. */
  static open(port: SystemPort): SockDiag | number {
    const fd = openNetlink(port, NETLINK_SOCK_DIAG);
    return fd < 0 ? fd : new SockDiag(port, fd);
  }

  /**
   * Calls `onSocket` for every socket that is wanted. `room` returns the memory for each answer,
   * aligned to words, so that the caller need not copy what it keeps. After an error answers may
   * still be under way: close the socket.
   */
  dump(wanted: DumpRequest, onSocket: OnSocket, room?: (bytes: number) => Buffer): DumpOutcome {
    const sequence = ++this.#sequence;
    const sent = this.#port.send(this.#fd, dumpRequest(wanted, sequence), 0);
    if (sent < 0) return { errno: -sent, isInterrupted: false };

    let isInterrupted = false;
    for (;;) {
      const buffer = room ? room(BUFFER_BYTES) : this.#buffer;
      const length = receive(this.#port, this.#fd, buffer);
      if (length < 0) return { errno: -length, isInterrupted };
      if (length === 0) return { errno: EPROTO, isInterrupted };

      const step = walkMessages(buffer, length, sequence, (start, end, type, flags) => {
        if ((flags & NLM_F_DUMP_INTR) !== 0) isInterrupted = true;
        if (type === SOCK_DIAG_BY_FAMILY) onSocket(buffer, start, end);
      });
      if (step.isEnd) return { errno: step.errno, isInterrupted };
    }
  }

  /** Finds exactly this socket. Returns 0, or the errno; ENOENT when it is gone. */
  lookup(id: SockDiagId, onSocket: OnSocket): number {
    const sequence = ++this.#sequence;
    const bytes = lookupRequest(id, sequence);
    const answer = request(this.#port, this.#fd, bytes, sequence, this.#buffer);
    if ("errno" in answer) return answer.errno === 0 ? EPROTO : answer.errno;
    if (answer.type !== SOCK_DIAG_BY_FAMILY) return EPROTO;
    onSocket(this.#buffer, answer.start, answer.end);
    return 0;
  }

  /**
   * Aborts exactly this socket. Returns 0, or the errno: EPERM without CAP_NET_ADMIN, ENOENT when
   * it is gone, EOPNOTSUPP.
   */
  destroy(id: SockDiagId): number {
    const sequence = ++this.#sequence;
    const bytes = destroyRequest(id, sequence);
    const answer = request(this.#port, this.#fd, bytes, sequence, this.#buffer);
    return "errno" in answer ? answer.errno : EPROTO;
  }

  close(): void {
    this.#port.close(this.#fd);
  }
}
