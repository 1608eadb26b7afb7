import { IPPROTO_TCP, TCP_NODELAY } from "../port/platform-linux.ts";
import { readInt, writeInt } from "../port/socket-option.ts";

/**
 * Lets what is written leave at once, also while something is unacknowledged (TCP_NODELAY, Linux).
 * Returns whether that is new.
 *
 * @throws HalfOpenError `ERR_SOCKET_OPTION`
 */
export function sendAtOnce(fd: number): boolean {
  const isNew = readInt(fd, IPPROTO_TCP, TCP_NODELAY, "TCP_NODELAY") === 0;
  if (isNew) writeInt(fd, IPPROTO_TCP, TCP_NODELAY, "TCP_NODELAY", 1);
  return isNew;
}

/** Undoes {@link sendAtOnce}. @throws HalfOpenError `ERR_SOCKET_OPTION` */
export function gatherAgain(fd: number): void {
  writeInt(fd, IPPROTO_TCP, TCP_NODELAY, "TCP_NODELAY", 0);
}
