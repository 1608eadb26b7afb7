import type { TcpInfo } from "../../core/tcp-info.ts";
import { openedWinsock } from "../port/open-socket-port.ts";
import type { WinsockPort } from "../port/winsock-port.ts";
import { decodeWin32TcpInfo, TCP_INFO_BYTES } from "./codec-win32.ts";

/** mstcpip.h: _WSAIORW(IOC_VENDOR, 39). The input is the version, a DWORD. */
const SIO_TCP_INFO = 0xd800_0027;
const LONGEST = Math.max(...TCP_INFO_BYTES);
/**
 * winerror.h: the answers of a system without the ioctl (before 10 1703, Wine), or without this
 * version of it.
 */
const WSAEINVAL = 10_022;
const WSAEOPNOTSUPP = 10_045;

/**
 * Reads SIO_TCP_INFO of a SOCKET in the highest version that the system has; a negative number is
 * -WSAGetLastError().
 */
export function sampleWin32TcpInfo(socket: number): TcpInfo | number {
  const port = openedWinsock();
  const bytes = new Uint8Array(LONGEST);
  const result = port ? read(port, socket, bytes) : -WSAEOPNOTSUPP;
  return result < 0 ? result : decodeWin32TcpInfo(new DataView(bytes.buffer), result);
}

/**
 * Tries the ioctl on a socket that need not be connected. Returns the length, or
 * -WSAGetLastError().
 */
export function probeWin32TcpInfo(port: WinsockPort, socket: number): number {
  return read(port, socket, new Uint8Array(LONGEST));
}

export function isWithoutTcpInfo(result: number): boolean {
  return result === -WSAEOPNOTSUPP || result === -WSAEINVAL;
}

function read(port: WinsockPort, socket: number, bytes: Uint8Array): number {
  let result = -1;
  for (let version = TCP_INFO_BYTES.length - 1; version >= 0; version--) {
    new DataView(bytes.buffer).setUint32(0, version, true);
    result = port.ioctl(socket, SIO_TCP_INFO, bytes);
    if (result >= 0 || !isWithoutTcpInfo(result)) return result;
  }
  return result;
}
