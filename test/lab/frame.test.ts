import { describe, expect, it } from "vitest";
import { packetBytes, probeFlow } from "../../src/lab/frame.ts";

const ACK = 0x10;
const PSH_ACK = 0x18;
const FIN_ACK = 0x11;
const SYN = 0x02;

interface Segment {
  readonly family?: 4 | 6;
  readonly flags?: number;
  readonly optionBytes?: number;
  readonly dataBytes?: number;
  readonly protocol?: number;
  readonly sourcePort?: number;
}

/** Makes a frame as AF_PACKET gives it: virtio header, Ethernet, IP (RFC 791, 8200), TCP (9293). */
function frame({
  family = 4,
  flags = ACK,
  optionBytes = 12,
  dataBytes = 0,
  protocol = 6,
  sourcePort = 40_000,
}: Segment = {}): Uint8Array {
  const ipBytes = family === 4 ? 20 : 40;
  const tcpBytes = 20 + optionBytes;
  const view = new DataView(new ArrayBuffer(10 + 14 + ipBytes + tcpBytes + dataBytes));
  view.setUint16(22, family === 4 ? 0x0800 : 0x86dd);
  if (family === 4) {
    view.setUint8(24, 0x45);
    view.setUint16(26, ipBytes + tcpBytes + dataBytes);
    view.setUint8(33, protocol);
  } else {
    view.setUint8(24, 0x60);
    view.setUint16(28, tcpBytes + dataBytes);
    view.setUint8(30, protocol);
  }
  const tcp = 24 + ipBytes;
  view.setUint16(tcp, sourcePort);
  view.setUint16(tcp + 2, 7001);
  view.setUint8(tcp + 12, (tcpBytes / 4) << 4);
  view.setUint8(tcp + 13, flags);
  return new Uint8Array(view.buffer);
}

describe.each([4, 6] as const)("a frame of the wire, IPv%s", (family) => {
  it("is as long as its packet", () => {
    expect(packetBytes(frame({ family, dataBytes: 1000 }))).toBe((family === 4 ? 20 : 40) + 1032);
  });

  it("is taken for a probe if it has no data, no flag but ACK and no option but timestamps", () => {
    expect(probeFlow(frame({ family }))).not.toBeNull();
    expect(probeFlow(frame({ family, optionBytes: 0 }))).not.toBeNull();
  });

  it.each([
    ["data", { dataBytes: 1, flags: PSH_ACK }],
    ["data without PSH", { dataBytes: 1 }],
    ["FIN", { flags: FIN_ACK }],
    ["SYN", { flags: SYN, optionBytes: 20 }],
    ["SACK", { optionBytes: 24 }],
    ["no TCP", { protocol: 17 }],
  ])("is not taken for one with %s", (_, segment) => {
    expect(probeFlow(frame({ family, ...segment }))).toBeNull();
  });

  it("names its flow", () => {
    const flows = [40_000, 40_001, 40_000].map((sourcePort) =>
      probeFlow(frame({ family, sourcePort })),
    );
    expect(flows[0]).toBe(flows[2]);
    expect(flows[0]).not.toBe(flows[1]);
    expect(flows[0]).not.toBe(probeFlow(frame({ family: family === 4 ? 6 : 4 })));
  });
});

it("a frame that is no IP packet, such as ARP, is no probe", () => {
  const arp = new Uint8Array(10 + 42);
  new DataView(arp.buffer).setUint16(22, 0x0806);
  expect(probeFlow(arp)).toBeNull();
});
