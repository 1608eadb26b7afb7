import { EAGAIN, ENOBUFS } from "../port/errno-linux.ts";
import { SOL_SOCKET } from "../port/platform-linux.ts";
import type { SystemPort } from "../port/port.ts";
import {
  AF_NETLINK,
  NETLINK_SOCK_DIAG,
  openNetlink,
  receive,
  walkMessages,
} from "./netlink-message.ts";
import type { OnSocket } from "./sock-diag.ts";
import { SOCK_DIAG_BY_FAMILY } from "./sock-diag-request.ts";

const SOL_NETLINK = 270;
const NETLINK_ADD_MEMBERSHIP = 1;
/** include/uapi/linux/sock_diag.h: SKNLGRP_INET_TCP_DESTROY, SKNLGRP_INET6_TCP_DESTROY. */
const GROUPS = [1, 3];
const SO_RCVBUF = 8;
const RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024;
const BUFFER_BYTES = 65_536;
/** struct sockaddr_nl: family, and zeros for an address of the kernel's choice. */
const SOCKADDR_NL: Uint8Array = Uint8Array.of(AF_NETLINK, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
/** The kernel's own messages carry no request's number. */
const UNASKED = 0;

/**
 * Tells of every TCP socket of this network namespace that the kernel frees, with its last
 * TCP_INFO: a post-mortem without polling. The event comes when the socket is freed, which is after
 * its program closed it. Loading the kernel's module for it needs CAP_NET_ADMIN.
 */
export class SockDiagEvents {
  readonly #port: SystemPort;
  readonly #fd: number;
  readonly #buffer: Buffer = Buffer.alloc(BUFFER_BYTES);
  /** Events came faster than they were fetched, and some are lost. */
  hasMissed = false;

  private constructor(port: SystemPort, fd: number) {
    this.#port = port;
    this.#fd = fd;
  }

  /** A negative number is -errno: EPERM without privilege. */
  static open(port: SystemPort): SockDiagEvents | number {
    const fd = openNetlink(port, NETLINK_SOCK_DIAG);
    if (fd < 0) return fd;
    // A larger buffer than a user may have is cut to what is allowed, silently.
    port.setsockopt(fd, SOL_SOCKET, SO_RCVBUF, int(RECEIVE_BUFFER_BYTES));
    // Unbound it has the kernel's own address, 0, and the sender's address is left out of every
    // broadcast (af_netlink.c).
    const bound = port.bind(fd, SOCKADDR_NL);
    if (bound < 0) {
      port.close(fd);
      return bound;
    }
    for (const group of GROUPS) {
      const result = port.setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, int(group));
      if (result >= 0) continue;
      port.close(fd);
      return result;
    }
    return new SockDiagEvents(port, fd);
  }

  /** Tells of all that came since the last time. Never blocks. Returns 0, or the errno. */
  fetch(onSocket: OnSocket): number {
    for (;;) {
      const length = receive(this.#port, this.#fd, this.#buffer);
      if (length === -EAGAIN) return 0;
      if (length === -ENOBUFS) this.hasMissed = true;
      else if (length <= 0) return -length;
      else
        walkMessages(this.#buffer, length, UNASKED, (start, end, type) => {
          if (type === SOCK_DIAG_BY_FAMILY) onSocket(this.#buffer, start, end);
        });
    }
  }

  close(): void {
    this.#port.close(this.#fd);
  }
}

function int(value: number): Uint8Array {
  return new Uint8Array(Int32Array.of(value).buffer);
}
