import { HalfOpenError } from "../core/errors.ts";
import { int } from "../kernel/port/int.ts";
import { SO_RCVBUF, SOL_SOCKET } from "../kernel/port/platform-linux.ts";
import type { SystemPort } from "../kernel/port/port.ts";

const AF_PACKET = 17;
const SOCK_RAW = 3;
const ETH_P_ALL_BE = 0x0300;
const SIOCGIFINDEX = 0x8933;
const SOL_PACKET = 263;
/**
 * Frames come and go with a virtio header, which carries unfinished checksums and segmentation
 * offload (packet(7)).
 */
const PACKET_VNET_HDR = 15;
const PACKET_STATISTICS = 6;
const PACKET_IGNORE_OUTGOING = 23;
const SO_RCVBUFFORCE = 33;
const ON = int(1);
/** Room in front of the wire for what comes while a busy machine does not let it run. */
const ROOM_BYTES = int(16 * 1024 * 1024);

/** Opens a socket that takes the frames which an interface receives, and can send others. */
export function openInterface(port: SystemPort, name: string): number {
  const fd = checked(port.socket(AF_PACKET, SOCK_RAW, ETH_P_ALL_BE), "AF_PACKET socket");

  const request = new Uint8Array(40);
  request.set(new TextEncoder().encode(name).subarray(0, 15));
  checked(port.ioctl(fd, SIOCGIFINDEX, request), `interface ${name}`);
  const index = new DataView(request.buffer).getInt32(16, true);

  checked(port.setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, ON), "PACKET_VNET_HDR");
  checked(port.setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, ON), "PACKET_IGNORE_OUTGOING");

  // Only the machine's own root may go beyond net.core.rmem_max.
  if (port.setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, ROOM_BYTES) < 0)
    checked(port.setsockopt(fd, SOL_SOCKET, SO_RCVBUF, ROOM_BYTES), "SO_RCVBUF");

  const address = new Uint8Array(20);
  const view = new DataView(address.buffer);
  view.setUint16(0, AF_PACKET, true);
  view.setUint16(2, ETH_P_ALL_BE, true);
  view.setInt32(4, index, true);
  checked(port.bind(fd, address), `bind to ${name}`);
  return fd;
}

/** Returns the frames that found no room since the last call. */
export function droppedSince(port: SystemPort, fd: number): number {
  // struct tpacket_stats: packets, drops.
  const statistics = new Uint8Array(8);
  checked(port.getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, statistics), "PACKET_STATISTICS");
  return new DataView(statistics.buffer).getUint32(4, true);
}

function checked(result: number, what: string): number {
  if (result >= 0) return result;
  throw new HalfOpenError(
    "ERR_PERMISSION",
    `${what} was refused (errno ${-result}); the wire needs CAP_NET_RAW in its namespace`,
  );
}
