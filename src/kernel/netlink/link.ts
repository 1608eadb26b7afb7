import { attributesOf, type Netlink } from "./netlink.ts";

const RTM_GETLINK = 18;
const RTM_NEWLINK = 16;
const IFINFOMSG_BYTES = 16;
const IFF_UP = 1;
const IFF_RUNNING = 0x40;
const IFLA_IFNAME = 3;
const IFLA_CARRIER = 33;

const utf8 = new TextDecoder();

export interface Link {
  readonly name: string;
  /** Administratively up, running, and with a carrier where the device reports one. */
  readonly isUp: boolean;
}

/** Returns a network interface by its index; `null` where the kernel gives none. */
export function lookUpLink(netlink: Netlink, index: number): Link | null {
  const header = new Uint8Array(IFINFOMSG_BYTES);
  new DataView(header.buffer).setInt32(4, index, true);
  const answer = netlink.ask(RTM_GETLINK, header, []);
  if (
    "errno" in answer ||
    answer.type !== RTM_NEWLINK ||
    answer.payload.byteLength < IFINFOMSG_BYTES
  )
    return null;

  const flags = answer.payload.getUint32(8, true);
  const found = attributesOf(answer.payload, IFINFOMSG_BYTES);
  const carrier = found.get(IFLA_CARRIER);
  const hasCarrier = !carrier || carrier.byteLength < 1 || carrier.getUint8(0) === 1;
  return {
    name: textOf(found.get(IFLA_IFNAME)),
    isUp: (flags & IFF_UP) !== 0 && (flags & IFF_RUNNING) !== 0 && hasCarrier,
  };
}

function textOf(view: DataView | undefined): string {
  if (!view) return "";
  return utf8
    .decode(new Uint8Array(view.buffer, view.byteOffset, view.byteLength))
    .replace(/\0.*$/, "");
}
