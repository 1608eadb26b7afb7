import { ENAMETOOLONG } from "../port/errno-linux.ts";
import type { SystemPort } from "../port/port.ts";

/**
 * Reports `state` to the service manager, as sd_notify(3) does: one datagram to the socket named by
 * NOTIFY_SOCKET. Node has no Unix datagrams, hence the port. Returns 0, or the errno; ENAMETOOLONG
 * for a path longer than an address.
 */
export function notifyService(port: SystemPort, path: string, state: string): number {
  const name = Buffer.from(path.startsWith("@") ? `\0${path.slice(1)}` : path);
  if (name.length >= PATH_BYTES) return ENAMETOOLONG;
  const fd = port.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -fd;

  try {
    // An abstract name is as long as its address; a path ends with a zero.
    const address = Buffer.alloc(2 + name.length + (path.startsWith("@") ? 0 : 1));
    address.writeUInt16LE(AF_UNIX, 0);
    name.copy(address, 2);

    const connected = port.connect(fd, address);
    if (connected < 0) return -connected;
    return Math.max(0, -port.send(fd, Buffer.from(state), 0));
  } finally {
    port.close(fd);
  }
}

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
/** sizeof sun_path, its closing zero among them (unix(7)). */
const PATH_BYTES = 108;
