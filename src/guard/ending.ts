import type { SockDiag } from "../kernel/netlink/sock-diag.ts";
import { AF_INET, SOCKID_BYTES, SockDiagId } from "../kernel/netlink/sock-diag-id.ts";
import { nudgeDescriptor } from "../kernel/nudge.ts";
import { disconnect } from "../kernel/options/disconnect.ts";
import { applyUserTimeout } from "../kernel/options/user-timeout.ts";
import { EBUSY, ENOENT, EOPNOTSUPP, EPERM, errnoText } from "../kernel/port/errno-linux.ts";
import type { SystemPort } from "../kernel/port/port.ts";
import { missingPrivileges } from "../kernel/process/privileges.ts";
import type { GuardAction } from "./event.ts";
import type { Guarded } from "./guarded.ts";

/**
 * The way to end a connection. `disconnect`: through a duplicate of the owner's descriptor, which
 * the same user may do. `destroy`: by SOCK_DESTROY, which needs CAP_NET_ADMIN and a kernel built
 * with CONFIG_INET_DIAG_DESTROY; where it is refused, by `disconnect`.
 */
export type EndMethod = "destroy" | "disconnect";

interface Outcome {
  readonly errno: number;
}

/** Runs its argument on a duplicate of the connection's descriptor; else returns an errno. */
type Reach = (work: (fd: number) => Outcome) => Outcome | number;

/** Ends connections, and tells once why SOCK_DESTROY cannot be used, with what is done instead. */
export class Ending {
  readonly #port: SystemPort;
  readonly #method: EndMethod;
  readonly #onProblem: (problem: string) => void;
  /** The refusals that were told. */
  readonly #told: Set<number> = new Set();

  constructor(
    port: SystemPort,
    method: EndMethod,
    onProblem: (problem: string) => void = () => {},
  ) {
    this.#port = port;
    this.#method = method;
    this.#onProblem = onProblem;
  }

  /**
   * Finds out, without ending anything, whether SOCK_DESTROY can be used: by the privilege, and by
   * asking the kernel to end a socket that does not exist. Without it the first to learn of a
   * refusal would be the operator of an outage.
   */
  try(diag: SockDiag): void {
    if (this.#method === "disconnect") return;
    const errno = diag.destroy(NO_SOCKET);
    if (errno === EOPNOTSUPP) this.#tell(errno);
    else if (missingPrivileges(["CAP_NET_ADMIN"]).length > 0) this.#tell(EPERM);
  }

  /** Returns 0, ENOENT when the connection is gone, or the errno that kept it from being ended. */
  end(connection: Guarded, diag: SockDiag | null, reach: Reach): number {
    if (this.#method === "disconnect") return this.#disconnect(reach);
    const errno = diag?.destroy(connection.id) ?? ENOENT;
    if (errno !== EPERM && errno !== EOPNOTSUPP) return errno;

    this.#tell(errno);
    return this.#disconnect(reach) === 0 ? 0 : errno;
  }

  #disconnect(reach: Reach): number {
    const result = reach((fd) => ({ errno: this.#disconnectDescriptor(fd) }));
    return typeof result === "number" ? result : result.errno;
  }

  /**
   * Kernels 6.4 to 6.6 refuse to disconnect while a thread is blocked in the socket. There a user
   * timeout of 1 ms makes the kernel's own timer end the connection.
   */
  #disconnectDescriptor(fd: number): number {
    const result = disconnect(this.#port, fd);
    if (result !== -EBUSY) return Math.max(0, -result);
    applyUserTimeout(fd, 1);
    nudgeDescriptor(fd);
    return 0;
  }

  #tell(errno: number): void {
    if (this.#told.has(errno)) return;
    this.#told.add(errno);
    const why =
      errno === EPERM
        ? "needs CAP_NET_ADMIN, which this process lacks (EPERM)"
        : "is missing in this kernel, built without CONFIG_INET_DIAG_DESTROY (EOPNOTSUPP)";
    this.#onProblem(
      `SOCK_DESTROY ${why}. Dead connections are ended through duplicates of their programs' descriptors instead; those of programs that cannot be reached are reported and stay`,
    );
  }
}

/**
 * Returns the entry of the log for a dead connection that could not be ended. Where ending is
 * refused, which is told once for all sockets, the report is what is left.
 */
export function notEnded(
  errno: number,
  reason: string,
): { readonly action: GuardAction; readonly reason: string } {
  return errno === EPERM || errno === EOPNOTSUPP
    ? { action: "would-destroy", reason: `${reason}; it stays, because this guard may not end it` }
    : { action: "error", reason: `could not be ended: ${errnoText(errno)}` };
}

/** No socket has these ports, and none has this cookie. */
const NO_SOCKET = new SockDiagId(AF_INET, new Uint8Array(SOCKID_BYTES).fill(0xfe));
