import { Socket } from "node:net";
import type { TcpInfo } from "../../src/core/tcp-info.ts";
import type { SystemPort } from "../../src/kernel/port/port.ts";
import type { KernelModel } from "../core/judge/kernel-model.ts";

const SOL_SOCKET = 1;
const IPPROTO_TCP = 6;
const ENOPROTOOPT = 92;
const EBADF = 9;
const POLLERR = 8;
const TCP_INFO = 11;
/** Length that Linux 6.18 gives; a reading needs less. */
const TCP_INFO_BYTES = 280;
const STATES = { ESTABLISHED: 1, CLOSE: 7 } as const;
const ERRORS = { ETIMEDOUT: 110, ECONNRESET: 104 } as const;

/** Sockets of the kernel's model behind the calls of a real port, in virtual time. */
export class ModelPort {
  readonly backEnd = "koffi";
  readonly #kernels: Map<number, KernelModel> = new Map();
  readonly #hasRtoCap: boolean;
  #nextFd = 100;

  constructor(hasRtoCap: boolean) {
    this.#hasRtoCap = hasRtoCap;
  }

  /** The port as the product takes it; calls that a watch never makes are not there. */
  get asPort(): SystemPort {
    return this as unknown as SystemPort;
  }

  /**
   * A connected socket whose kernel is `kernel`; `peer` numbers the host at the other end, `local`
   * our own address.
   */
  connect(kernel: KernelModel, peer: number, local: number): Socket {
    const fd = this.#nextFd++;
    this.#kernels.set(fd, kernel);
    const socket = new Socket();
    const close = (closed: () => void): void => {
      this.#kernels.delete(fd);
      queueMicrotask(closed);
    };
    const at = (address: string, port: number) => (into: object) =>
      Object.assign(into, { address, port }) && 0;
    const handle = {
      fd,
      reading: true,
      close,
      getsockname: at(`10.${hostOf(local)}`, 40_000),
      getpeername: at(`100.${hostOf(peer)}`, 6379),
    };
    Object.assign(socket, { _handle: handle });
    return socket;
  }

  getsockopt(fd: number, level: number, option: number, value: Uint8Array): number {
    const kernel = this.#kernel(fd);
    if (!kernel) return -EBADF;
    const view = new DataView(value.buffer, value.byteOffset);
    if (level === IPPROTO_TCP && option === TCP_INFO) {
      encodeTcpInfo(kernel.info(), view);
      return TCP_INFO_BYTES;
    }
    const number = this.#read(kernel, level, option);
    if (number === null) return -ENOPROTOOPT;
    view.setInt32(0, number, true);
    return 4;
  }

  setsockopt(fd: number, level: number, option: number, value: Uint8Array): number {
    const kernel = this.#kernel(fd);
    if (!kernel) return -EBADF;
    const number = new DataView(value.buffer, value.byteOffset).getInt32(0, true);
    if (level === SOL_SOCKET) {
      if (option === 9) kernel.set({ keepalive: number !== 0 });
      return 0; // SO_LINGER, say
    }
    const changes = {
      4: { idleMs: number * 1000 },
      5: { intervalMs: number * 1000 },
      6: { count: number },
      18: { userTimeoutMs: number },
      44: { rtoMaxMs: number },
    }[option];
    if (!changes || (option === 44 && !this.#hasRtoCap)) return -ENOPROTOOPT;
    kernel.set(changes);
    return 0;
  }

  /** Fails for the one socket that is opened, to try TCP_INFO. */
  socket(): number {
    return -24; // EMFILE: TCP_INFO is taken for granted then
  }

  poll(descriptor: Uint8Array): number {
    const view = new DataView(descriptor.buffer, descriptor.byteOffset);
    const isBroken = this.#kernel(view.getInt32(0, true))?.error != null;
    view.setInt16(6, isBroken ? POLLERR : 0, true);
    return isBroken ? 1 : 0;
  }

  #read({ options, error }: KernelModel, level: number, option: number): number | null {
    if (level === SOL_SOCKET)
      return { 4: error ? ERRORS[error] : 0, 9: Number(options.keepalive), 38: 6 }[option] ?? null;
    const numbers: Record<number, number> = {
      4: options.idleMs / 1000,
      5: options.intervalMs / 1000,
      6: options.count,
      18: options.userTimeoutMs,
      ...(this.#hasRtoCap ? { 44: options.rtoMaxMs } : {}),
    };
    return numbers[option] ?? null;
  }

  /** The kernel goes on even if nobody reads it. */
  #kernel(fd: number): KernelModel | undefined {
    const kernel = this.#kernels.get(fd);
    kernel?.run(performance.now());
    return kernel;
  }
}

function hostOf(number: number): string {
  return `${number >> 16}.${(number >> 8) & 255}.${number & 255}`;
}

/** The inverse of decodeTcpInfo, for the fields that the model has (include/uapi/linux/tcp.h). */
function encodeTcpInfo(info: TcpInfo, view: DataView): void {
  for (let at = 0; at < TCP_INFO_BYTES; at += 4) view.setUint32(at, 0, true);
  const bytes = [STATES[info.state as keyof typeof STATES], 0, info.retransmits, info.probes];
  for (const [at, value] of [...bytes, info.backoff].entries()) view.setUint8(at, value ?? 0);
  const words: readonly (readonly [at: number, value: number | undefined])[] = [
    [8, (info.rtoMs ?? 0) * 1000],
    [16, info.sendMssBytes],
    [24, info.unackedSegments],
    [36, info.retransmittedSegments],
    [44, info.lastDataSentMs],
    [52, info.lastDataReceivedMs],
    [56, info.lastAckReceivedMs],
    [68, (info.rttMs ?? 0) * 1000],
    [72, (info.rttVarMs ?? 0) * 1000],
    [100, info.totalRetransmits],
    [128, info.bytesReceived],
    [140, info.segmentsIn],
    [144, info.notSentBytes],
    [148, (info.minRttMs ?? 0) * 1000],
    [152, info.dataSegmentsIn],
    [156, info.dataSegmentsOut],
    [192, info.deliveredSegments],
    [216, info.dsackDuplicates],
    [228, info.sendWindowBytes],
  ];
  for (const [at, value] of words) view.setUint32(at, Math.round(value ?? 0), true);
}
