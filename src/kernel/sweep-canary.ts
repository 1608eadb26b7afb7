import { fstatSync } from "node:fs";
import { HalfOpenError } from "../core/errors.ts";
import type { AppliedKeepalive } from "./applied-keepalive.ts";
import { errnoText } from "./errno-linux.ts";
import { applyKeepalive, isSameKeepalive, readKeepalive } from "./keepalive.ts";
import { SO_COOKIE, SOL_SOCKET } from "./platform-linux.ts";
import type { SystemPort } from "./port.ts";
import { applyRtoMax, readRtoMax } from "./rto-max.ts";
import { AF_INET } from "./sock-diag-id.ts";
import type { SweptSocket } from "./swept-socket.ts";
import { applyUserTimeout, readUserTimeout } from "./user-timeout.ts";

const SOCK_STREAM_CLOEXEC = 1 | 0o2000000;
/** No program sets these. The idle time is one second: as many ticks as the kernel counts in one. */
const ODD_KEEPALIVE: AppliedKeepalive = { enabled: true, idleMs: 1000, intervalMs: 3000, count: 7 };
const ODD_USER_TIMEOUT_MS = 12_345;
/** Not whole in ticks of 1/300 or 1/250 s: it shows which way the kernel rounds. */
const ODD_RTO_MAX_MS = 7001;
const COOKIE_BYTES = 8;

/** A socket that is never connected, and what the kernel tells of it when asked the usual way. */
interface Known {
  readonly fd: number;
  readonly inode: number;
  readonly cookie: Uint32Array;
  readonly keepalive: AppliedKeepalive;
  readonly userTimeoutMs: number;
  readonly rtoMaxMs: number | null;
}

/** Two sockets of our own by which a sweep is tested, one with odd settings and one with none: who tells them wrongly is believed in nothing. */
export class SweepCanary {
  readonly #port: SystemPort;
  readonly #sockets: Known[] = [];

  private constructor(port: SystemPort) {
    this.#port = port;
  }

  /** `null` where the sockets cannot be made or set. */
  static open(port: SystemPort): SweepCanary | null {
    const canary = new SweepCanary(port);
    try {
      canary.#add((fd) => {
        applyUserTimeout(fd, ODD_USER_TIMEOUT_MS);
        applyRtoMax(fd, ODD_RTO_MAX_MS);
        applyKeepalive(fd, ODD_KEEPALIVE);
      });
      canary.#add(() => {});
      return canary;
    } catch (error) {
      canary.close();
      if (error instanceof HalfOpenError) return null;
      throw error;
    }
  }

  get size(): number {
    return this.#sockets.length;
  }

  /** Of what is told of this process: the socket whose idle time is one second. */
  isOfOneSecond(told: SweptSocket): boolean {
    return told.fd === this.#sockets[0]?.fd;
  }

  /** Of what is told of this process: one of the sockets, with everything as it is. */
  confirms(told: SweptSocket): boolean {
    return this.#sockets.some((known) => known.fd === told.fd && isToldAsItIs(told, known));
  }

  close(): void {
    for (const { fd } of this.#sockets) this.#port.close(fd);
  }

  #add(set: (fd: number) => void): void {
    const fd = this.#port.socket(AF_INET, SOCK_STREAM_CLOEXEC, 0);
    if (fd < 0) throw new HalfOpenError("ERR_NOT_SUPPORTED", `there is no socket to be had: ${errnoText(-fd)}`);
    try {
      set(fd);
      const cookie = new Uint32Array(2);
      const length = this.#port.getsockopt(fd, SOL_SOCKET, SO_COOKIE, new Uint8Array(cookie.buffer));
      if (length !== COOKIE_BYTES) throw new HalfOpenError("ERR_NOT_SUPPORTED", `the kernel tells no cookie of a socket: ${length}`);
      const settings = { keepalive: readKeepalive(fd), userTimeoutMs: readUserTimeout(fd), rtoMaxMs: readRtoMax(fd) };
      this.#sockets.push({ fd, inode: fstatSync(fd).ino, cookie, ...settings });
    } catch (error) {
      this.#port.close(fd);
      throw error;
    }
  }
}

function isToldAsItIs(told: SweptSocket, { inode, cookie, keepalive, userTimeoutMs, rtoMaxMs }: Known): boolean {
  return (
    told.inode === inode &&
    told.cookieLow === cookie[0] &&
    told.cookieHigh === cookie[1] &&
    isSameKeepalive(told.keepalive, keepalive) &&
    told.userTimeoutMs === userTimeoutMs &&
    told.rtoMaxMs === rtoMaxMs
  );
}
