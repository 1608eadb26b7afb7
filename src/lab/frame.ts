/** A frame of the wire: a virtio header, an Ethernet header, a packet. */
const VIRTIO_BYTES = 10;
const ETHERNET_BYTES = 14;
const PACKET_AT: number = VIRTIO_BYTES + ETHERNET_BYTES;
const ETHERTYPE_AT: number = PACKET_AT - 2;
const IPV4 = 0x0800;
const IPV6 = 0x86dd;
const TCP = 6;
/** RFC 9293, 3.1: FIN, SYN, RST, PSH, ACK. */
const FLAGS = 0x1f;
const ACK = 0x10;
/** A header whose only option is timestamps. An answer to data out of order has more. */
const PLAIN_HEADER_BYTES = 32;

/** Returns the length of the packet, with its IP header. */
export function packetBytes(frame: Uint8Array): number {
  return frame.length - PACKET_AT;
}

/**
 * Returns the flow of a TCP segment that looks like a keepalive probe: no data, no flag but ACK, no
 * option but timestamps. Returns `null` for every other frame.
 */
export function probeFlow(frame: Uint8Array): string | null {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  const found = tcpOf(view);
  if (!found) return null;

  const { at, bytes } = found;
  const headerBytes = 4 * (view.getUint8(at + 12) >> 4);
  const isBare = (view.getUint8(at + 13) & FLAGS) === ACK && headerBytes <= PLAIN_HEADER_BYTES;
  if (!isBare || bytes > headerBytes) return null;
  return `${view.getUint16(ETHERTYPE_AT)} ${view.getUint16(at)} ${view.getUint16(at + 2)}`;
}

/** Finds the TCP segment of a frame, and its length. IPv6 has no extension headers here. */
function tcpOf(view: DataView): { readonly at: number; readonly bytes: number } | null {
  const ethertype = view.getUint16(ETHERTYPE_AT);
  if (ethertype === IPV4 && view.getUint8(PACKET_AT + 9) === TCP) {
    const headerBytes = 4 * (view.getUint8(PACKET_AT) & 15);
    return { at: PACKET_AT + headerBytes, bytes: view.getUint16(PACKET_AT + 2) - headerBytes };
  }
  if (ethertype === IPV6 && view.getUint8(PACKET_AT + 6) === TCP)
    return { at: PACKET_AT + 40, bytes: view.getUint16(PACKET_AT + 4) };
  return null;
}
