import { loadKoffi } from "./load-koffi.ts";
import type { SystemPort } from "./port.ts";
import type { SocketPort } from "./socket-port.ts";

type Call = (...args: (number | Uint8Array | Uint32Array)[]) => number;
interface Library {
  func(declaration: string): Call;
}
interface Koffi {
  load(path: string | null): Library;
  errno(): number;
}
/** errno is read only after -1: after a success it still shows an older failure. */
type Checked = (result: number) => number;

/** Opens libc of Linux through koffi. @throws when koffi cannot be loaded */
export function openKoffiPort(): SystemPort {
  const { libc, checked } = openLibc();
  const length = new Uint32Array(1);
  const declared = {
    getsockname: libc.func("int getsockname(int, _Out_ uint8_t *, _Inout_ uint32_t *)"),
    bind: libc.func("int bind(int, const uint8_t *, uint32_t)"),
    connect: libc.func("int connect(int, const uint8_t *, uint32_t)"),
    send: libc.func("long send(int, const uint8_t *, size_t, int)"),
    recv: libc.func("long recv(int, _Out_ uint8_t *, size_t, int)"),
    poll: libc.func("int poll(_Inout_ uint8_t *, unsigned long, int)"),
    // Variadic in C, with the same registers on Linux. If it were declared variadic, koffi would
    // check the type of every argument again: 0.6 µs a call.
    syscall: libc.func("long syscall(long, int, int, unsigned int)"),
    readlinkat: libc.func("long readlinkat(int, const uint8_t *, _Out_ uint8_t *, size_t)"),
    setns: libc.func("int setns(int, int)"),
    prctl: libc.func("int prctl(int, unsigned long, unsigned long, unsigned long, unsigned long)"),
    waitid: libc.func("int waitid(int, unsigned int, _Out_ uint8_t *, int)"),
  };
  return {
    ...socketPort(libc, checked),
    getsockname(fd, into) {
      length[0] = into.length;
      const result = checked(declared.getsockname(fd, into, length));
      return result < 0 ? result : (length[0] ?? 0);
    },
    bind: (fd, address) => checked(declared.bind(fd, address, address.length)),
    connect: (fd, address) => checked(declared.connect(fd, address, address.length)),
    send: (fd, data, flags) => checked(declared.send(fd, data, data.length, flags)),
    recv: (fd, into, flags) => checked(declared.recv(fd, into, into.length, flags)),
    poll: (descriptor) => checked(declared.poll(descriptor, 1, 0)),
    // x86_64 and arm64 share these numbers (docs/internals/kernel.md#taking-a-foreign-descriptor).
    pidfdOpen: (pid, flags) => checked(declared.syscall(434, pid, flags, 0)),
    pidfdGetfd: (pidfd, targetFd, flags) => checked(declared.syscall(438, pidfd, targetFd, flags)),
    readlinkat: (folder, name, into) =>
      checked(declared.readlinkat(folder, name, into, into.length)),
    setns: (fd, nsType) => checked(declared.setns(fd, nsType)),
    prctl: (option, argument) => checked(declared.prctl(option, argument, 0, 0, 0)),
    waitid: (idType, id, info, options) => checked(declared.waitid(idType, id, info, options)),
  };
}

/** Opens the C library of macOS or FreeBSD through koffi. @throws when koffi cannot be loaded */
export function openBsdPort(): SocketPort {
  const { libc, checked } = openLibc();
  return socketPort(libc, checked);
}

function openLibc(): { libc: Library; checked: Checked } {
  const koffi = loadKoffi() as Koffi;
  return { libc: koffi.load(null), checked: (result) => (result === -1 ? -koffi.errno() : result) };
}

function socketPort(libc: Library, checked: Checked): SocketPort {
  const length = new Uint32Array(1);
  const declared = {
    getsockopt: libc.func("int getsockopt(int, int, int, _Out_ uint8_t *, _Inout_ uint32_t *)"),
    setsockopt: libc.func("int setsockopt(int, int, int, const uint8_t *, uint32_t)"),
    ioctl: libc.func("int ioctl(int, unsigned long, ...)") as unknown as (
      fd: number,
      request: number,
      type: string,
      argument: Uint8Array,
    ) => number,
    socket: libc.func("int socket(int, int, int)"),
    close: libc.func("int close(int)"),
  };
  return {
    backEnd: "koffi",
    getsockopt(fd, level, option, value) {
      length[0] = value.length;
      const result = checked(declared.getsockopt(fd, level, option, value, length));
      return result < 0 ? result : (length[0] ?? 0);
    },
    setsockopt: (fd, level, option, value) =>
      checked(declared.setsockopt(fd, level, option, value, value.length)),
    ioctl: (fd, request, argument) => checked(declared.ioctl(fd, request, "uint8_t *", argument)),
    socket: (domain, type, protocol) => checked(declared.socket(domain, type, protocol)),
    close: (fd) => checked(declared.close(fd)),
  };
}
