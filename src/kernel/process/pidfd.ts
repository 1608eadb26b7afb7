import { EBADF } from "../port/errno-linux.ts";
import { COOKIE_BYTES, SO_COOKIE, SOL_SOCKET } from "../port/platform-linux.ts";
import type { SystemPort } from "../port/port.ts";

/**
 * Another process, held by a descriptor that never means a later process with the same number
 * (pidfd_open, Linux >= 5.3). It gives duplicates of the process's sockets (pidfd_getfd, >= 5.6) to
 * the same user, or with CAP_SYS_PTRACE.
 */
export class ForeignProcess {
  readonly pid: number;
  readonly #port: SystemPort;
  readonly #pidfd: number;
  readonly #cookie: Uint8Array = new Uint8Array(COOKIE_BYTES);

  private constructor(port: SystemPort, pid: number, pidfd: number) {
    this.#port = port;
    this.pid = pid;
    this.#pidfd = pidfd;
  }

  /**
   * Returns -errno on failure: ESRCH when the process is gone, ENOSYS on old kernels and in some
   * sandboxes.
   */
  static open(port: SystemPort, pid: number): ForeignProcess | number {
    const pidfd = port.pidfdOpen(pid, 0);
    return pidfd < 0 ? pidfd : new ForeignProcess(port, pid, pidfd);
  }

  /**
   * Runs `work` with a duplicate of the process's descriptor `fd`, if that is the socket with this
   * cookie: the descriptor may have been reused since it was found. Synchronous, and the duplicate
   * is closed at once: while we hold it, the process's own close() sends no FIN (measured on 6.18).
   * Options set on the duplicate are the socket's own. File flags must never be touched.
   *
   * Returns what `work` returned, or -errno: EPERM, ENOSYS, ESRCH; EBADF also when the descriptor
   * is another socket by now.
   */
  withSocket<T>(fd: number, cookie: Uint8Array, work: (duplicate: number) => T): T | number {
    const duplicate = this.#port.pidfdGetfd(this.#pidfd, fd, 0);
    if (duplicate < 0) return duplicate;
    try {
      const length = this.#port.getsockopt(duplicate, SOL_SOCKET, SO_COOKIE, this.#cookie);
      if (length !== COOKIE_BYTES || !isSame(this.#cookie, cookie)) return -EBADF;
      return work(duplicate);
    } finally {
      this.#port.close(duplicate);
    }
  }

  close(): void {
    this.#port.close(this.#pidfd);
  }
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  for (let i = 0; i < COOKIE_BYTES; i++) if (a[i] !== b[i]) return false;
  return true;
}
