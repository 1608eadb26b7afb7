import type { SystemPort } from "../port/port.ts";
import {
  align,
  HEADER_BYTES,
  NLM_F_REQUEST,
  openNetlink,
  request,
  writeHeader,
} from "./netlink-message.ts";

const ATTRIBUTE_BYTES = 4;

/** One buffer for all requests of this thread: an outage may cause thousands at once. */
const answerBuffer = new Uint8Array(16_384);

/**
 * The kernel's answer to one request: the payload behind the netlink header, or the errno of the
 * refusal. The payload is valid until the next request.
 */
export type NetlinkAnswer =
  | { readonly type: number; readonly payload: DataView }
  | { readonly errno: number };

export interface NetlinkAttribute {
  readonly type: number;
  readonly value: Uint8Array;
}

/**
 * A netlink socket for single requests, each of which takes some 10 µs. Everything that comes back
 * is checked against its bounds.
 */
export class Netlink {
  readonly #port: SystemPort;
  readonly #fd: number;
  #sequence = 0;

  private constructor(port: SystemPort, fd: number) {
    this.#port = port;
    this.#fd = fd;
  }

  /**
   * `null` where the system refuses netlink (a sandbox). The socket belongs to the network
   * namespace of this thread.
   */
  static open(port: SystemPort, protocol: number): Netlink | null {
    const fd = openNetlink(port, protocol);
    return fd < 0 ? null : new Netlink(port, fd);
  }

  /** Sends one request: a type, the fixed header of its family, and attributes. */
  ask(type: number, header: Uint8Array, attributes: readonly NetlinkAttribute[]): NetlinkAnswer {
    const bytes = encode(type, ++this.#sequence, header, attributes);
    const answer = request(this.#port, this.#fd, bytes, this.#sequence, answerBuffer);
    if ("errno" in answer) return answer;

    return {
      type: answer.type,
      payload: new DataView(answerBuffer.buffer, answer.start, answer.end - answer.start),
    };
  }

  /** The descriptor, whose network namespace is that of the answers. */
  get fd(): number {
    return this.#fd;
  }

  close(): void {
    this.#port.close(this.#fd);
  }
}

/** Returns the attributes behind a fixed header, by type. Stops at the first that does not fit. */
export function attributesOf(payload: DataView, offset: number): Map<number, DataView> {
  const found = new Map<number, DataView>();
  let at = offset;
  while (at + ATTRIBUTE_BYTES <= payload.byteLength) {
    const length = payload.getUint16(at, true);
    if (length < ATTRIBUTE_BYTES || at + length > payload.byteLength) break;
    const type = payload.getUint16(at + 2, true) & 0x3fff;
    found.set(
      type,
      new DataView(
        payload.buffer,
        payload.byteOffset + at + ATTRIBUTE_BYTES,
        length - ATTRIBUTE_BYTES,
      ),
    );
    at += align(length);
  }
  return found;
}

function encode(
  type: number,
  sequence: number,
  header: Uint8Array,
  attributes: readonly NetlinkAttribute[],
): Uint8Array {
  const size = attributes.reduce(
    (sum, { value }) => sum + align(ATTRIBUTE_BYTES + value.length),
    HEADER_BYTES + align(header.length),
  );
  const bytes = new Uint8Array(size);

  const view = new DataView(bytes.buffer);
  writeHeader(bytes, type, NLM_F_REQUEST, sequence);
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
