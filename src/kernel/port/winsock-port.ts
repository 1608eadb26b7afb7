import { loadKoffi } from "./load-koffi.ts";
import type { SocketPort } from "./socket-port.ts";

/**
 * The calls that Windows needs besides: Node hides the SOCKET there, so it is found by its
 * addresses.
 */
export interface WinsockPort extends SocketPort {
  /** Fills `into` with a sockaddr and returns its length. */
  getsockname(socket: number, into: Uint8Array): number;
  getpeername(socket: number, into: Uint8Array): number;
  /** Wine keeps the host's probe count and whole seconds, where Windows has 10 and milliseconds. */
  readonly isWine: boolean;
}

type Call = (...args: (number | Uint8Array | Uint32Array | Int32Array | null)[]) => number;
interface Library {
  func(declaration: string): Call;
}

/**
 * Opens ws2_32.dll through koffi. A SOCKET is a handle value and fits a double.
 *
 * @throws when koffi cannot be loaded
 */
export function openWinsockPort(): WinsockPort {
  const koffi = loadKoffi() as { load(path: string): Library };
  const ws2 = koffi.load("ws2_32.dll");
  const length = new Int32Array(1);
  const returned = new Uint32Array(1);
  const declared = {
    getsockopt: ws2.func(
      "int __stdcall getsockopt(uintptr_t, int, int, _Out_ uint8_t *, _Inout_ int *)",
    ),
    setsockopt: ws2.func("int __stdcall setsockopt(uintptr_t, int, int, const uint8_t *, int)"),
    getsockname: ws2.func("int __stdcall getsockname(uintptr_t, _Out_ uint8_t *, _Inout_ int *)"),
    getpeername: ws2.func("int __stdcall getpeername(uintptr_t, _Out_ uint8_t *, _Inout_ int *)"),
    ioctl: ws2.func(
      "int __stdcall WSAIoctl(uintptr_t, uint32_t, const uint8_t *, uint32_t, _Out_ uint8_t *, uint32_t, _Out_ uint32_t *, void *, void *)",
    ),
    socket: ws2.func("uintptr_t __stdcall socket(int, int, int)"),
    close: ws2.func("int __stdcall closesocket(uintptr_t)"),
    lastError: ws2.func("int __stdcall WSAGetLastError()"),
  };
  const checked = (result: number): number =>
    result === -1 ? -(declared.lastError() || 1) : result;
  const sized = (result: number): number => (result < 0 ? checked(result) : (length[0] ?? 0));
  return {
    backEnd: "koffi",
    isWine: isWine(koffi),
    getsockopt(fd, level, option, value) {
      length[0] = value.length;
      return sized(declared.getsockopt(fd, level, option, value, length));
    },
    setsockopt: (fd, level, option, value) =>
      checked(declared.setsockopt(fd, level, option, value, value.length)),
    getsockname(socket, into) {
      length[0] = into.length;
      return sized(declared.getsockname(socket, into, length));
    },
    getpeername(socket, into) {
      length[0] = into.length;
      return sized(declared.getpeername(socket, into, length));
    },
    ioctl(fd, request, argument) {
      returned[0] = 0;
      const result = declared.ioctl(
        fd,
        request,
        argument.slice(),
        argument.length,
        argument,
        argument.length,
        returned,
        null,
        null,
      );
      return result === -1 ? checked(result) : (returned[0] ?? 0);
    },
    socket(domain, type, protocol) {
      const socket = declared.socket(domain, type, protocol);
      // INVALID_SOCKET is all ones, far beyond any handle.
      return socket > Number.MAX_SAFE_INTEGER || socket < 0 ? checked(-1) : socket;
    },
    close: (fd) => checked(declared.close(fd)),
  };
}

function isWine(koffi: { load(path: string): Library }): boolean {
  try {
    koffi.load("ntdll.dll").func("const char *wine_get_version()");
    return true;
  } catch {
    return false; // Windows has no such function
  }
}
