import type { TcpInfo, TcpState } from "../../src/core/tcp-info.ts";
import { AF_INET } from "../../src/kernel/netlink/sock-diag-id.ts";
import { ConnectionTable } from "../../src/survey/connection-table.ts";

const STATES: readonly TcpState[] = [
  "CLOSE",
  "ESTABLISHED",
  "SYN_SENT",
  "SYN_RECV",
  "FIN_WAIT1",
  "FIN_WAIT2",
  "TIME_WAIT",
  "CLOSE",
  "CLOSE_WAIT",
  "LAST_ACK",
  "LISTEN",
];

/** A socket that a survey is to list. */
export interface ListedSocket {
  readonly cookie: number;
  readonly state?: TcpState;
  readonly localPort?: number;
  readonly remotePort?: number;
  readonly local?: readonly number[];
  readonly remote?: readonly number[];
  readonly inode?: number;
  readonly timer?: number;
  readonly info?: TcpInfo | null;
  readonly namespaceIndex?: number;
}

/** Returns the table of a survey that found these sockets. */
export function tableOf(sockets: Iterable<ListedSocket>): ConnectionTable {
  const table = new ConnectionTable();
  for (const socket of sockets) {
    const bytes = messageOf(socket);
    table.add(bytes, 0, bytes.length, socket.namespaceIndex ?? 0);
  }
  return table;
}

/** Builds inet_diag_msg and INET_DIAG_INFO, as the kernel lays them out. */
export function messageOf(socket: ListedSocket): Buffer {
  const message = Buffer.alloc(72);
  message[0] = AF_INET;
  message[1] = STATES.indexOf(socket.state ?? "ESTABLISHED");
  message[2] = socket.timer ?? 0;
  message.writeUInt16BE(socket.localPort ?? 40_000, 4);
  message.writeUInt16BE(socket.remotePort ?? 5432, 6);
  message.set(socket.local ?? [10, 0, 0, 1], 8);
  message.set(socket.remote ?? [10, 0, 0, 2], 24);
  message.writeUInt32LE(socket.cookie, 44);
  message.writeUInt32LE(socket.inode ?? socket.cookie + 1000, 68);
  return socket.info ? Buffer.concat([message, infoOf(socket.info)]) : message;
}

function infoOf(info: TcpInfo): Buffer {
  const bytes = Buffer.alloc(4 + 280);
  bytes.writeUInt16LE(bytes.length, 0);
  bytes.writeUInt16LE(2, 2);
  const at = bytes.subarray(4);
  at[0] = STATES.indexOf(info.state);
  at[2] = info.retransmits ?? 0;
  at[3] = info.probes ?? 0;
  at[4] = info.backoff ?? 0;
  at.writeUInt32LE(Math.round((info.rtoMs ?? 204) * 1000), 8);
  at.writeUInt32LE(info.sendMssBytes ?? 1448, 16);
  at.writeUInt32LE(info.unackedSegments ?? 0, 24);
  at.writeUInt32LE(Math.round(info.lastDataSentMs ?? 0), 44);
  at.writeUInt32LE(Math.round(info.lastDataReceivedMs ?? 0), 52);
  at.writeUInt32LE(Math.round(info.lastAckReceivedMs ?? 0), 56);
  at.writeUInt32LE(Math.round((info.rttMs ?? 0) * 1000), 68);
  at.writeUInt32LE(info.totalRetransmits ?? 0, 100);
  at.writeUInt32LE(info.segmentsIn ?? 0, 140);
  at.writeUInt32LE(info.notSentBytes ?? 0, 144);
  at.writeUInt32LE(info.dataSegmentsIn ?? 0, 152);
  at.writeUInt32LE(info.dataSegmentsOut ?? 0, 156);
  at.writeUInt32LE(info.deliveredSegments ?? 0, 192);
  at.writeUInt32LE(info.sendWindowBytes ?? 65_536, 228);
  return bytes;
}
