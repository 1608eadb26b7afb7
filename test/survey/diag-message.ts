/** A socket that sock_diag is to report; numbers are the kernel's own. */
export interface DiagSocket {
  readonly state?: number;
  readonly timer?: number;
  readonly expiresMs?: number;
  readonly localPort?: number;
  readonly remotePort?: number;
  readonly sendQueue?: number;
  readonly inode?: number;
  readonly cookie?: number;
  /** `null`: no TCP_INFO, as for a TIME_WAIT socket. */
  readonly info?: DiagInfo | null;
}

export interface DiagInfo {
  readonly retransmits?: number;
  /** Retransmitted segments that are in flight; default 1 after a retransmission. */
  readonly retransmitted?: number;
  readonly probes?: number;
  readonly backoff?: number;
  readonly rtoUs?: number;
  readonly unacked?: number;
  readonly lastDataSentMs?: number;
  readonly lastDataReceivedMs?: number;
  readonly lastAckReceivedMs?: number;
  readonly rttUs?: number;
  readonly notSentBytes?: number;
  readonly sendWindowBytes?: number;
}

/**
 * Builds struct inet_diag_msg and INET_DIAG_INFO, laid out as in include/uapi/linux/inet_diag.h and
 * tcp.h.
 */
export function diagMessage(socket: DiagSocket = {}): Buffer {
  const message = Buffer.alloc(72);
  message[0] = 2;
  message[1] = socket.state ?? 1;
  message[2] = socket.timer ?? 0;
  message.writeUInt16BE(socket.localPort ?? 40_000, 4);
  message.writeUInt16BE(socket.remotePort ?? 5432, 6);
  message.set([10, 0, 0, 1], 8);
  message.set([10, 0, 0, 2], 24);
  message.writeUInt32LE(socket.cookie ?? 77, 44);
  message.writeUInt32LE(socket.expiresMs ?? 0, 52);
  message.writeUInt32LE(socket.sendQueue ?? 0, 60);
  message.writeUInt32LE(socket.inode ?? 1077, 68);
  return socket.info === null
    ? message
    : Buffer.concat([message, infoAttribute(socket.state ?? 1, socket.info ?? {})]);
}

function infoAttribute(state: number, info: DiagInfo): Buffer {
  const bytes = Buffer.alloc(4 + 280);
  bytes.writeUInt16LE(bytes.length, 0);
  bytes.writeUInt16LE(2, 2);
  const at = bytes.subarray(4);
  at[0] = state;
  at[2] = info.retransmits ?? 0;
  at[3] = info.probes ?? 0;
  at[4] = info.backoff ?? 0;
  at.writeUInt32LE(info.rtoUs ?? 204_000, 8);
  at.writeUInt32LE(1448, 16);
  at.writeUInt32LE(info.unacked ?? 0, 24);
  at.writeUInt32LE(info.retransmitted ?? Math.min(1, info.retransmits ?? 0), 36);
  at.writeUInt32LE(info.lastDataSentMs ?? 0, 44);
  at.writeUInt32LE(info.lastDataReceivedMs ?? 0, 52);
  at.writeUInt32LE(info.lastAckReceivedMs ?? 0, 56);
  at.writeUInt32LE(info.rttUs ?? 100, 68);
  at.writeUInt32LE(info.retransmits ?? 0, 100);
  at.writeUInt32LE(info.notSentBytes ?? 0, 144);
  at.writeUInt32LE(info.sendWindowBytes ?? 65_536, 228);
  return bytes;
}

/** Builds a netlink message around a payload. */
export function netlinkMessage(
  type: number,
  sequence: number,
  payload: Uint8Array,
  flags = 0,
): Buffer {
  const bytes = Buffer.alloc((16 + payload.length + 3) & ~3);
  bytes.writeUInt32LE(16 + payload.length, 0);
  bytes.writeUInt16LE(type, 4);
  bytes.writeUInt16LE(flags, 6);
  bytes.writeUInt32LE(sequence, 8);
  bytes.set(payload, 16);
  return bytes;
}
