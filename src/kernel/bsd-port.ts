import { loadKoffi } from "./load-koffi.ts";
import type { SocketPort } from "./socket-port.ts";

type Call = (...args: (number | Uint8Array | Uint32Array)[]) => number;

/** The C library of macOS and FreeBSD through koffi. @throws when koffi cannot be loaded */
export function openBsdPort(): SocketPort {
  const koffi = loadKoffi() as {
    load(path: string | null): { func(declaration: string): Call };
    errno(): number;
  };
  const libc = koffi.load(null);
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
  const checked = (result: number): number => (result === -1 ? -koffi.errno() : result);
  return {
    backEnd: "koffi",
    getsockopt(fd, level, option, value) {
      length[0] = value.length;
      const result = declared.getsockopt(fd, level, option, value, length);
      return result === -1 ? -koffi.errno() : (length[0] ?? 0);
    },
    setsockopt: (fd, level, option, value) => checked(declared.setsockopt(fd, level, option, value, value.length)),
    ioctl: (fd, request, argument) => checked(declared.ioctl(fd, request, "uint8_t *", argument)),
    socket: (domain, type, protocol) => checked(declared.socket(domain, type, protocol)),
    close: (fd) => checked(declared.close(fd)),
  };
}
