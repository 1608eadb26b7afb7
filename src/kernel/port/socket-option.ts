import { HalfOpenError } from "../../core/errors.ts";
import { openSocketPort, whyNoSocketPort } from "./open-socket-port.ts";
import { platform } from "./platform.ts";
import type { SocketPort } from "./socket-port.ts";

const value = new Uint8Array(4);
const view = new DataView(value.buffer);

/**
 * Returns the port; a missing one is the caller's error.
 *
 * @throws HalfOpenError `ERR_NOT_SUPPORTED`
 */
export function requirePort(): SocketPort {
  const port = openSocketPort();
  if (port) return port;
  throw new HalfOpenError(
    "ERR_NOT_SUPPORTED",
    `this needs a native back-end, and there is none: ${whyNoSocketPort()}. See capabilities()`,
  );
}

/**
 * Reads an integer option; `null` where the kernel lacks it.
 *
 * @throws HalfOpenError `ERR_SOCKET_OPTION`
 */
export function readInt(fd: number, level: number, option: number, name: string): number | null {
  const result = requirePort().getsockopt(fd, level, option, value);
  if (result === -platform.unknownOption) return null;
  if (result < 0) throw refused("read", name, fd, result);
  return view.getInt32(0, true);
}

/**
 * Sets an integer option. Returns `false` where the kernel lacks it.
 *
 * @throws HalfOpenError `ERR_SOCKET_OPTION`
 */
export function writeInt(
  fd: number,
  level: number,
  option: number,
  name: string,
  to: number,
): boolean {
  view.setInt32(0, to, true);
  const result = requirePort().setsockopt(fd, level, option, value);
  if (result === -platform.unknownOption) return false;
  if (result < 0) throw refused(`set to ${to}`, name, fd, result);
  return true;
}

function refused(what: string, name: string, fd: number, result: number): HalfOpenError {
  return new HalfOpenError(
    "ERR_SOCKET_OPTION",
    `${name} of descriptor ${fd} could not be ${what}: errno ${-result}; is the socket still open?`,
  );
}
