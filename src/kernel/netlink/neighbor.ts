import type { Netlink } from "./netlink.ts";
import { familyOf } from "./route.ts";

const RTM_GETNEIGH = 30;
const RTM_NEWNEIGH = 28;
const NDMSG_BYTES = 12;
const NDA_DST = 1;
/** include/uapi/linux/neighbour.h */
const STATES: readonly (readonly [number, string])[] = [
  [0x01, "INCOMPLETE"],
  [0x02, "REACHABLE"],
  [0x04, "STALE"],
  [0x08, "DELAY"],
  [0x10, "PROBE"],
  [0x20, "FAILED"],
  [0x40, "NOARP"],
  [0x80, "PERMANENT"],
];

/**
 * Returns the ARP or neighbour-discovery state of an address on a link; `null` without an entry, or
 * before Linux 5.0, which cannot look up a single entry.
 */
export function lookUpNeighbor(
  netlink: Netlink,
  interfaceIndex: number,
  address: Uint8Array,
): string | null {
  const header = new Uint8Array(NDMSG_BYTES);
  header[0] = familyOf(address);
  new DataView(header.buffer).setInt32(4, interfaceIndex, true);
  const answer = netlink.ask(RTM_GETNEIGH, header, [{ type: NDA_DST, value: address }]);
  if ("errno" in answer || answer.type !== RTM_NEWNEIGH || answer.payload.byteLength < NDMSG_BYTES)
    return null;
  const state = answer.payload.getUint16(8, true);
  return STATES.find(([bit]) => state & bit)?.[1] ?? null;
}
