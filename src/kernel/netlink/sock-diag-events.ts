import { EAGAIN, ENOBUFS } from "../port/errno-linux.ts";
import { int } from "../port/int.ts";
import { SO_RCVBUF, SOL_SOCKET } from "../port/platform-linux.ts";
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

/**
 * Reports every TCP socket of this network namespace that the kernel frees, with its last TCP_INFO:
 * a post-mortem without polling. The event comes when the socket is freed, which is after its
 * program closed it. Loading the kernel module for these events needs CAP_NET_ADMIN.
 */
export class SockDiagEvents {
  readonly #port: SystemPort;
  readonly #fd: number;
  readonly #buffer: Buffer = Buffer.alloc(BUFFER_BYTES);
  /** True when events came faster than they were fetched, so that some are lost. */
  hasMissed = false;

  private constructor(port: SystemPort, fd: number) {
    this.#port = port;
    this.#fd = fd;
  }

  /** Returns -errno on failure: EPERM without privilege. */
  static open(port: SystemPort): SockDiagEvents | number {
    const fd = openNetlink(port, NETLINK_SOCK_DIAG);
    if (fd < 0) return fd;

    // The kernel silently cuts the buffer to the size that this user may have.
    port.setsockopt(fd, SOL_SOCKET, SO_RCVBUF, int(RECEIVE_BUFFER_BYTES));

    // An unbound socket has the kernel's own address, 0, and a broadcast leaves out the address of
    // its sender (af_netlink.c).
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

  /** Reports all events since the last call. Never blocks. Returns 0, or the errno. */
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

const SOL_NETLINK = 270;
const NETLINK_ADD_MEMBERSHIP = 1;
/** include/uapi/linux/sock_diag.h: SKNLGRP_INET_TCP_DESTROY, SKNLGRP_INET6_TCP_DESTROY. */
const GROUPS = [1, 3];
const RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024;
const BUFFER_BYTES = 65_536;
/** struct sockaddr_nl: family, and zeros for an address of the kernel's choice. */
const SOCKADDR_NL: Uint8Array = Uint8Array.of(AF_NETLINK, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
/** The sequence number of the kernel's own messages, which answer no request. */
const UNASKED = 0;
