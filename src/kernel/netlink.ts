import type { SystemPort } from "./port.ts";

const AF_NETLINK = 16;
const SOCK_RAW_CLOEXEC = 3 | 0o2000000;
const NLM_F_REQUEST = 1;
const NLMSG_ERROR = 2;
const MSG_DONTWAIT = 0x40;
const HEADER_BYTES = 16;
const ATTRIBUTE_BYTES = 4;

/** One for all questions of this thread: an outage may make thousands ask at once. */
const answerBuffer = new Uint8Array(16_384);

/** A kernel's answer to one request, until the next one: its payload behind the netlink header, or the errno it refused with. */
export type NetlinkAnswer = { readonly type: number; readonly payload: DataView } | { readonly errno: number };

export interface NetlinkAttribute {
  readonly type: number;
  readonly value: Uint8Array;
}

/**
 * A netlink socket for single questions. The kernel answers inside send(), so the answer is there when recv() looks: no waiting,
 * some 10 µs a question. Everything that comes back is checked against its bounds.
 */
export class Netlink {
  readonly #port: SystemPort;
  readonly #fd: number;
  #sequence = 0;

  private constructor(port: SystemPort, fd: number) {
    this.#port = port;
    this.#fd = fd;
  }

  /** `null` where the system refuses netlink (a sandbox). The socket belongs to the network namespace of this thread. */
  static open(port: SystemPort, protocol: number): Netlink | null {
    const fd = port.socket(AF_NETLINK, SOCK_RAW_CLOEXEC, protocol);
    return fd < 0 ? null : new Netlink(port, fd);
  }

  ask(type: number, header: Uint8Array, attributes: readonly NetlinkAttribute[]): NetlinkAnswer {
    const request = encode(type, ++this.#sequence, header, attributes);
    const sent = this.#port.send(this.#fd, request, 0);
    if (sent < 0) return { errno: -sent };
    // An older answer can only be left over from a question that timed out; skip it.
    for (let tries = 0; tries < 8; tries++) {
      const length = this.#port.recv(this.#fd, answerBuffer, MSG_DONTWAIT);
      if (length < 0) return { errno: -length };
      const answer = this.#decode(length);
      if (answer) return answer;
    }
    return { errno: 71 }; // EPROTO
  }

  close(): void {
    this.#port.close(this.#fd);
  }

  #decode(length: number): NetlinkAnswer | null {
    if (length < HEADER_BYTES) return null;
    const view = new DataView(answerBuffer.buffer, 0, length);
    const size = view.getUint32(0, true);
    if (size < HEADER_BYTES || size > length || view.getUint32(8, true) !== this.#sequence) return null;
    const type = view.getUint16(4, true);
    if (type !== NLMSG_ERROR) return { type, payload: new DataView(answerBuffer.buffer, HEADER_BYTES, size - HEADER_BYTES) };
    return size < HEADER_BYTES + 4 ? null : { errno: -view.getInt32(HEADER_BYTES, true) };
  }
}

/** The attributes behind a fixed header, by type. Stops at the first one that does not fit. */
export function attributesOf(payload: DataView, offset: number): Map<number, DataView> {
  const found = new Map<number, DataView>();
  let at = offset;
  while (at + ATTRIBUTE_BYTES <= payload.byteLength) {
    const length = payload.getUint16(at, true);
    if (length < ATTRIBUTE_BYTES || at + length > payload.byteLength) break;
    const type = payload.getUint16(at + 2, true) & 0x3fff;
    found.set(type, new DataView(payload.buffer, payload.byteOffset + at + ATTRIBUTE_BYTES, length - ATTRIBUTE_BYTES));
    at += align(length);
  }
  return found;
}

function encode(type: number, sequence: number, header: Uint8Array, attributes: readonly NetlinkAttribute[]): Uint8Array {
  const size = attributes.reduce((sum, { value }) => sum + align(ATTRIBUTE_BYTES + value.length), HEADER_BYTES + align(header.length));
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, size, true);
  view.setUint16(4, type, true);
  view.setUint16(6, NLM_F_REQUEST, true);
  view.setUint32(8, sequence, true);
  bytes.set(header, HEADER_BYTES);
  let at = HEADER_BYTES + align(header.length);
  for (const { type: attribute, value } of attributes) {
    view.setUint16(at, ATTRIBUTE_BYTES + value.length, true);
    view.setUint16(at + 2, attribute, true);
    bytes.set(value, at + ATTRIBUTE_BYTES);
    at += align(ATTRIBUTE_BYTES + value.length);
  }
  return bytes;
}

function align(length: number): number {
  return (length + 3) & ~3;
}
