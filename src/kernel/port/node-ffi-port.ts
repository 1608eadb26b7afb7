import type { SystemPort } from "./port.ts";

type Native = (...args: (number | bigint | Uint8Array | Uint32Array)[]) => number | bigint;
interface Signature {
  readonly arguments: readonly string[];
  readonly return: string;
}
interface NodeFfi {
  dlopen(
    path: string | null,
    definitions: Readonly<Record<string, Signature>>,
  ): { readonly functions: Readonly<Record<string, Native>> };
  getInt32(pointer: bigint, offset: number): number;
}

const INT = "i32";
const DEFINITIONS = {
  __errno_location: { arguments: [], return: "pointer" },
  getsockopt: { arguments: [INT, INT, INT, "pointer", "pointer"], return: INT },
  setsockopt: { arguments: [INT, INT, INT, "pointer", "u32"], return: INT },
  ioctl: { arguments: [INT, "u64", "pointer"], return: INT },
  socket: { arguments: [INT, INT, INT], return: INT },
  getsockname: { arguments: [INT, "pointer", "pointer"], return: INT },
  bind: { arguments: [INT, "pointer", "u32"], return: INT },
  connect: { arguments: [INT, "pointer", "u32"], return: INT },
  send: { arguments: [INT, "pointer", "u64", INT], return: "i64" },
  recv: { arguments: [INT, "pointer", "u64", INT], return: "i64" },
  poll: { arguments: ["pointer", "u64", INT], return: INT },
  close: { arguments: [INT], return: INT },
  syscall: { arguments: ["i64", INT, INT, INT], return: "i64" },
  readlinkat: { arguments: [INT, "pointer", "pointer", "u64"], return: "i64" },
  setns: { arguments: [INT, INT], return: INT },
  prctl: { arguments: [INT, "u64", "u64", "u64", "u64"], return: INT },
  waitid: { arguments: [INT, "u32", "pointer", INT], return: INT },
} as const satisfies Record<string, Signature>;

/**
 * Opens libc of Linux through Node's own foreign-function interface (26.1 and later, experimental:
 * loading it prints a warning).
 *
 * @throws where Node has none, or a permission forbids it
 */
export function openNodeFfiPort(): SystemPort {
  const ffi = process.getBuiltinModule("node:ffi" as "node:fs") as unknown as NodeFfi | undefined;
  if (!ffi) throw new Error(`Node ${process.versions.node} has no node:ffi`);
  const libc = ffi.dlopen(null, DEFINITIONS).functions as Record<keyof typeof DEFINITIONS, Native>;

  // The address of this thread's errno, which does not move. Fetching the address again would
  // overwrite errno.
  const errno = libc.__errno_location() as bigint;
  const checked = (result: number | bigint): number =>
    Number(result) === -1 ? -ffi.getInt32(errno, 0) : Number(result);

  const length = new Uint32Array(1);
  const size = (data: Uint8Array): bigint => BigInt(data.length);
  return {
    backEnd: "node:ffi",
    getsockopt(fd, level, option, value) {
      length[0] = value.length;
      const result = checked(libc.getsockopt(fd, level, option, value, length));
      return result < 0 ? result : (length[0] ?? 0);
    },
    setsockopt: (fd, level, option, value) =>
      checked(libc.setsockopt(fd, level, option, value, value.length)),
    ioctl: (fd, request, argument) => checked(libc.ioctl(fd, BigInt(request), argument)),
    socket: (domain, type, protocol) => checked(libc.socket(domain, type, protocol)),
    getsockname(fd, into) {
      length[0] = into.length;
      const result = checked(libc.getsockname(fd, into, length));
      return result < 0 ? result : (length[0] ?? 0);
    },
    bind: (fd, address) => checked(libc.bind(fd, address, address.length)),
    connect: (fd, address) => checked(libc.connect(fd, address, address.length)),
    send: (fd, data, flags) => checked(libc.send(fd, data, size(data), flags)),
    recv: (fd, into, flags) => checked(libc.recv(fd, into, size(into), flags)),
    poll: (descriptor) => checked(libc.poll(descriptor, 1n, 0)),
    close: (fd) => checked(libc.close(fd)),
    // x86_64 and arm64 share these numbers (docs/internals/kernel.md#taking-a-foreign-descriptor).
    pidfdOpen: (pid, flags) => checked(libc.syscall(434n, pid, flags, 0)),
    pidfdGetfd: (pidfd, targetFd, flags) => checked(libc.syscall(438n, pidfd, targetFd, flags)),
    readlinkat: (folder, name, into) => checked(libc.readlinkat(folder, name, into, size(into))),
    setns: (fd, nsType) => checked(libc.setns(fd, nsType)),
    prctl: (option, argument) => checked(libc.prctl(option, BigInt(argument), 0n, 0n, 0n)),
    waitid: (idType, id, info, options) => checked(libc.waitid(idType, id, info, options)),
  };
}
