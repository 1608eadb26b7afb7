import { HalfOpenError } from "../../core/errors.ts";
import type { TcpInfo } from "../../core/tcp-info.ts";
import { platform } from "../port/platform.ts";
import { IPPROTO_TCP } from "../port/platform-linux.ts";
import { requirePort } from "../port/socket-option.ts";
import { descriptorOf } from "../process/descriptor.ts";
import { decodeDarwinTcpInfo } from "./codec-darwin.ts";
import { decodeFreebsdTcpInfo } from "./codec-freebsd.ts";
import { decodeTcpInfo } from "./codec-linux.ts";
import { whyNoKernelEvidence } from "./kernel-evidence.ts";
import { isWithoutTcpInfo, sampleWin32TcpInfo } from "./tcp-info-win32.ts";

/** Longer than any struct tcp_info so far (280 bytes on 6.18). */
const buffer = new Uint8Array(512);
const view = new DataView(buffer.buffer);
const DECODERS: Readonly<Record<string, typeof decodeTcpInfo>> = {
  darwin: decodeDarwinTcpInfo,
  freebsd: decodeFreebsdTcpInfo,
};
const decode = DECODERS[process.platform] ?? decodeTcpInfo;
const option = platform.tcpInfo;

/** Reads TCP_INFO of a descriptor; a negative number is -errno. */
export function sampleTcpInfo(fd: number): TcpInfo | number {
  if (!option) return sampleWin32TcpInfo(fd);
  const length = requirePort().getsockopt(fd, IPPROTO_TCP, option.option, buffer);
  return length < 0 ? length : decode(view, length);
}

/**
 * Reads what the kernel knows of a connection. Fields that this kernel does not report are
 * `undefined`.
 * @throws HalfOpenError `ERR_NOT_SUPPORTED`, `ERR_NOT_CONNECTED`, `ERR_SOCKET_OPTION`
 */
export function readTcpInfo(socket: unknown): TcpInfo {
  const fd = descriptorOf(socket);
  const info = sampleTcpInfo(fd);
  const why = process.platform === "linux" ? whyNoKernelEvidence() : null;
  if (why !== null)
    throw new HalfOpenError(
      "ERR_NOT_SUPPORTED",
      `${why}: a connection cannot be judged by it; use a heartbeat`,
    );
  if (typeof info !== "number") return info;
  if (!option && isWithoutTcpInfo(info))
    throw new HalfOpenError(
      "ERR_NOT_SUPPORTED",
      `this Windows has no SIO_TCP_INFO (Winsock error ${-info}); 10 1703 and later have it`,
    );
  throw new HalfOpenError(
    "ERR_SOCKET_OPTION",
    `TCP_INFO of descriptor ${fd} could not be read: errno ${-info}; is the socket still open?`,
  );
}
