import { HalfOpenError } from "../core/errors.ts";
import type { MtuProbing } from "../core/judge/full-size.ts";
import { insideNamespace, type NetworkNamespace } from "../kernel/netlink/network-namespace.ts";
import { SockDiag } from "../kernel/netlink/sock-diag.ts";
import { readMtuProbing } from "../kernel/options/mtu-probing.ts";
import type { SystemPort } from "../kernel/port/port.ts";
import { readSystemDefaults } from "../kernel/system/system-defaults.ts";

/**
 * One network namespace under a guard: its settings, and a socket to its sock_diag, open from the
 * first survey on. The open socket keeps the kernel from giving the namespace's inode number to
 * another one, and the namespace from being freed: close it once the surveys have lost it.
 */
export class LinuxNamespace {
  readonly #port: SystemPort;
  #way: NetworkNamespace;
  #diag: SockDiag | null;
  #retries2: number | null = null;
  #mtuProbing: MtuProbing | null = null;

  constructor(port: SystemPort, way: NetworkNamespace) {
    this.#port = port;
    this.#way = way;
    this.#diag = this.#open();
  }

  /** `null` where the namespace may not be entered, or netlink is refused. */
  get diag(): SockDiag | null {
    return this.#diag;
  }

  get found(): NetworkNamespace {
    return this.#way;
  }

  /** Takes the newest way into the namespace: processes end. */
  meetAgain(way: NetworkNamespace): void {
    this.#way = way;
    this.#diag ??= this.#open();
  }

  get retries2(): number {
    this.#retries2 ??= this.inside(() => readSystemDefaults().retries2) ?? 15;
    return this.#retries2;
  }

  get mtuProbing(): MtuProbing {
    this.#mtuProbing ??= this.inside(readMtuProbing) ?? { isOn: false, afterTimeouts: 3 };
    return this.#mtuProbing;
  }

  /** Runs `work` inside. `null` when the namespace is gone or may not be entered. */
  inside<T>(work: () => T): T | null {
    try {
      return insideNamespace(this.#port, this.#way, work);
    } catch (error) {
      if (error instanceof HalfOpenError) return null;
      throw error;
    }
  }

  close(): void {
    this.#diag?.close();
  }

  #open(): SockDiag | null {
    const diag = this.inside(() => SockDiag.open(this.#port));
    return typeof diag === "number" ? null : diag;
  }
}
