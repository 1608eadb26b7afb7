import type { Socket } from "node:net";
import { HalfOpenError } from "../../core/errors.ts";
import { PLATFORMS } from "../port/platform.ts";
import { IPPROTO_TCP } from "../port/platform-linux.ts";
import { readInt, writeInt } from "../port/socket-option.ts";
import type { AppliedKeepalive } from "./applied-keepalive.ts";
import { applyKeepaliveVals, FIXED_COUNT } from "./keepalive-vals.ts";

const { solSocket, soKeepalive, idle, interval, count } = PLATFORMS.win32;
/** Windows does not report what SIO_KEEPALIVE_VALS set, so what it accepted is remembered. */
const taken = new WeakMap<Socket, AppliedKeepalive>();

/**
 * Sets the times in ms by SIO_KEEPALIVE_VALS, and the count where Windows has TCP_KEEPCNT (10 1703
 * and later); else the count stays 10.
 */
export function applyWin32Keepalive(
  fd: number,
  socket: Socket,
  wanted: AppliedKeepalive,
): AppliedKeepalive {
  const result = applyKeepaliveVals(fd, wanted);
  if (result < 0) {
    throw new HalfOpenError(
      "ERR_SOCKET_OPTION",
      `SIO_KEEPALIVE_VALS of the socket could not be set to ${wanted.idleMs} ms, ${wanted.intervalMs} ms: Winsock error ${-result}; is the socket still open?`,
    );
  }

  const hasCount = writeInt(fd, IPPROTO_TCP, count.option, count.name, wanted.count);
  taken.set(socket, { ...wanted, count: hasCount ? wanted.count : FIXED_COUNT });
  return readWin32Keepalive(fd, socket);
}

/**
 * Returns the keepalive that was set through us, or the one that Windows reports.
 *
 * @throws HalfOpenError `ERR_NOT_SUPPORTED` where nobody set the times through us and this Windows
 * (before 10 1709) does not report them
 */
export function readWin32Keepalive(fd: number, socket: Socket): AppliedKeepalive {
  const enabled = (readInt(fd, solSocket, soKeepalive, "SO_KEEPALIVE") ?? 0) !== 0;
  const known = taken.get(socket);
  if (known) return { ...known, enabled };

  const idleS = readInt(fd, IPPROTO_TCP, idle.option, idle.name);
  const intervalS = readInt(fd, IPPROTO_TCP, interval.option, interval.name);
  if (idleS === null || intervalS === null) {
    throw new HalfOpenError(
      "ERR_NOT_SUPPORTED",
      "this Windows does not report the keepalive times of a connection (10 1709 and later do); set them with setKeepalive first",
    );
  }

  const probes = readInt(fd, IPPROTO_TCP, count.option, count.name) ?? FIXED_COUNT;
  return {
    enabled,
    idleMs: idleS * idle.unitMs,
    intervalMs: intervalS * interval.unitMs,
    count: probes,
  };
}
