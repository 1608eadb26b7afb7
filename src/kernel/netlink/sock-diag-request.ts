import { HEADER_BYTES, NLM_F_REQUEST, writeHeader } from "./netlink-message.ts";
import type { Family, SockDiagId } from "./sock-diag-id.ts";

/**
 * Requests of NETLINK_SOCK_DIAG. Layouts: include/uapi/linux/netlink.h, sock_diag.h, inet_diag.h;
 * checked on 6.18. Netlink is in host byte order (both supported architectures are little endian),
 * ports and addresses in network order.
 */
export const SOCK_DIAG_BY_FAMILY = 20;
const SOCK_DESTROY = 21;
const NLM_F_ACK = 4;
const NLM_F_DUMP = 0x300;

/** struct inet_diag_req_v2: family, protocol, ext, pad, states, sockid. */
const REQUEST_BYTES = 56;
const ID_OFFSET = HEADER_BYTES + 8;
const INET_DIAG_REQ_BYTECODE = 1;
const IPPROTO_TCP = 6;

/**
 * The attribute that a dump requests, as a bit of `idiag_ext`: bit n-1 requests attribute n.
 * INET_DIAG_INFO is 2.
 */
const EXT_INFO = 1 << 1;

/** With this cookie the kernel would take whatever connection has these addresses now. */
const ANY_COOKIE = 0xffffffff;

export interface DumpRequest {
  readonly family: Family;
  /** Bit n selects TCP state n (include/net/tcp_states.h). */
  readonly states: number;
  /** Requests TCP_INFO of each socket. */
  readonly withInfo: boolean;
  /** Byte code that the kernel runs over each socket, see sock-diag-filter.ts; empty = all. */
  readonly filter: Uint8Array;
}

/** Requests every TCP socket of one family in this network namespace. */
export function dumpRequest(request: DumpRequest, sequence: number): Buffer {
  const { filter } = request;
  const attributeBytes = filter.length === 0 ? 0 : 4 + filter.length;
  const bytes = Buffer.alloc(HEADER_BYTES + REQUEST_BYTES + attributeBytes);
  writeHeader(bytes, SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST | NLM_F_DUMP, sequence);
  writeTarget(bytes, request.family, request.states, request.withInfo);

  if (attributeBytes > 0) {
    bytes.writeUInt16LE(attributeBytes, HEADER_BYTES + REQUEST_BYTES);
    bytes.writeUInt16LE(INET_DIAG_REQ_BYTECODE, HEADER_BYTES + REQUEST_BYTES + 2);
    bytes.set(filter, HEADER_BYTES + REQUEST_BYTES + 4);
  }
  return bytes;
}

/**
 * Requests exactly this connection. The kernel answers ENOENT when it is gone, even if its
 * addresses are in use again.
 */
export function lookupRequest(id: SockDiagId, sequence: number): Buffer {
  return exactRequest(SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST, id, sequence);
}

/**
 * Requests that the kernel abort exactly this connection: its owner gets ECONNABORTED, the peer an
 * RST. Needs CAP_NET_ADMIN. The kernel shuts a LISTEN socket down too, so the caller filters states
 * (measured on 6.18).
 */
export function destroyRequest(id: SockDiagId, sequence: number): Buffer {
  if (id.cookieLow === ANY_COOKIE && id.cookieHigh === ANY_COOKIE)
    throw new RangeError("a socket is never destroyed without its cookie");
  return exactRequest(SOCK_DESTROY, NLM_F_REQUEST | NLM_F_ACK, id, sequence);
}

function exactRequest(type: number, flags: number, id: SockDiagId, sequence: number): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES + REQUEST_BYTES);
  writeHeader(bytes, type, flags, sequence);
  writeTarget(bytes, id.family, 0xffffffff, true);
  bytes.set(id.bytes, ID_OFFSET);
  return bytes;
}

function writeTarget(bytes: Buffer, family: Family, states: number, withInfo: boolean): void {
  bytes[HEADER_BYTES] = family;
  bytes[HEADER_BYTES + 1] = IPPROTO_TCP;
  bytes[HEADER_BYTES + 2] = withInfo ? EXT_INFO : 0;
  bytes.writeUInt32LE(states >>> 0, HEADER_BYTES + 4);
}
