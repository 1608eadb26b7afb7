import { HalfOpenError } from "../core/errors.ts";
import { openPort, whyNoPort } from "./open-port.ts";
import type { SystemPort } from "./port.ts";

const ENOPROTOOPT = 92;
const value = new Uint8Array(4);
const view = new DataView(value.buffer);

/** The port, where a missing one is the caller's error. @throws HalfOpenError `ERR_NOT_SUPPORTED` */
export function requirePort(): SystemPort {
  const port = openPort();
  if (port) return port;
  throw new HalfOpenError("ERR_NOT_SUPPORTED", `this needs a native back-end, and there is none: ${whyNoPort()}. See capabilities()`);
}

/** Reads an integer option; `null` where the kernel does not know it. @throws HalfOpenError `ERR_SOCKET_OPTION` */
export function readInt(fd: number, level: number, option: number, name: string): number | null {
  const result = requirePort().getsockopt(fd, level, option, value);
  if (result === -ENOPROTOOPT) return null;
  if (result < 0) throw refused("read", name, fd, result);
  return view.getInt32(0, true);
}

/** Sets an integer option. Returns `false` where the kernel does not know it. @throws HalfOpenError `ERR_SOCKET_OPTION` */
export function writeInt(fd: number, level: number, option: number, name: string, to: number): boolean {
  view.setInt32(0, to, true);
  const result = requirePort().setsockopt(fd, level, option, value);
  if (result === -ENOPROTOOPT) return false;
  if (result < 0) throw refused(`set to ${to}`, name, fd, result);
  return true;
}

function refused(what: string, name: string, fd: number, result: number): HalfOpenError {
  return new HalfOpenError(
    "ERR_SOCKET_OPTION",
    `${name} of descriptor ${fd} could not be ${what}: errno ${-result}; is the socket still open?`,
  );
}
