import { read } from "node:fs";
import { HalfOpenError } from "../core/errors.ts";
import { openPort } from "../kernel/open-port.ts";
import type { SystemPort } from "../kernel/port.ts";
import { seededRandom } from "../testing/seeded-random.ts";
import type { WireSettings } from "./network.ts";

const AF_PACKET = 17;
const SOCK_RAW = 3;
const ETH_P_ALL_BE = 0x0300;
const SIOCGIFINDEX = 0x8933;
const SOL_PACKET = 263;
/** Frames come and go with a virtio header that carries unfinished checksums and segmentation offload along (packet(7)). */
const PACKET_VNET_HDR = 15;
const PACKET_IGNORE_OUTGOING = 23;
const ON = new Uint8Array([1, 0, 0, 0]);
/** A frame of segmentation offload is up to 64 KB. */
const FRAME_BYTES = 70_000;

export interface Wire {
  set(settings: WireSettings): void;
}

/**
 * A cable with delay, jitter and loss between two interfaces, in user space: AF_PACKET opens in a user namespace too, where TUN
 * and netem may not. Order is kept, so that jitter does not look like reordering. Reads block on the thread pool, one a side.
 */
export function openWire(left: string, right: string, settings: WireSettings): Wire {
  const port = openPort();
  if (!port) throw new HalfOpenError("ERR_NOT_SUPPORTED", "the lab's wire needs a native back-end; see capabilities()");
  let now: WireSettings = settings;
  const random = seededRandom(settings.seed ?? 1);
  const [a, b] = [openInterface(port, left), openInterface(port, right)];
  forward(
    port,
    a,
    b,
    () => now.lossOut ?? 0,
    () => now,
    random,
  );
  forward(
    port,
    b,
    a,
    () => now.lossIn ?? 0,
    () => now,
    random,
  );
  return {
    set(changed) {
      now = { ...now, ...changed };
    },
  };
}

function forward(port: SystemPort, from: number, to: number, loss: () => number, settings: () => WireSettings, random: () => number): void {
  const buffer = new Uint8Array(FRAME_BYTES);
  let lastLeavesAt = 0;
  const next = (): void =>
    read(from, buffer, 0, FRAME_BYTES, null, (error, length) => {
      if (error) {
        if ((error as NodeJS.ErrnoException).code !== "ENETDOWN") throw error;
      } else if (random() >= loss()) {
        const { delayMs = 0, jitterMs = 0 } = settings();
        const leavesAt = Math.max(lastLeavesAt, performance.now() + delayMs + (random() * 2 - 1) * jitterMs);
        if (delayMs + jitterMs === 0) port.send(to, buffer.subarray(0, length), 0);
        else {
          lastLeavesAt = leavesAt;
          const frame = buffer.slice(0, length);
          setTimeout(() => port.send(to, frame, 0), Math.max(0, leavesAt - performance.now()));
        }
      }
      next();
    });
  next();
}

function openInterface(port: SystemPort, name: string): number {
  const fd = checked(port.socket(AF_PACKET, SOCK_RAW, ETH_P_ALL_BE), "AF_PACKET socket");
  const request = new Uint8Array(40);
  request.set(new TextEncoder().encode(name).subarray(0, 15));
  checked(port.ioctl(fd, SIOCGIFINDEX, request), `interface ${name}`);
  const index = new DataView(request.buffer).getInt32(16, true);
  checked(port.setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, ON), "PACKET_VNET_HDR");
  checked(port.setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, ON), "PACKET_IGNORE_OUTGOING");
  const address = new Uint8Array(20);
  const view = new DataView(address.buffer);
  view.setUint16(0, AF_PACKET, true);
  view.setUint16(2, ETH_P_ALL_BE, true);
  view.setInt32(4, index, true);
  checked(port.bind(fd, address), `bind to ${name}`);
  return fd;
}

function checked(result: number, what: string): number {
  if (result >= 0) return result;
  throw new HalfOpenError("ERR_PERMISSION", `${what} was refused (errno ${-result}); the wire needs CAP_NET_RAW in its namespace`);
}
