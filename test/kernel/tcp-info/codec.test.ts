import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { TcpInfo } from "../../../src/core/tcp-info.ts";
import { decodeTcpInfo } from "../../../src/kernel/tcp-info/codec-linux.ts";

const LONGEST = 280;
const whole = fc.uint8Array({ minLength: LONGEST, maxLength: LONGEST });

function decode(bytes: Uint8Array, length: number): TcpInfo {
  return decodeTcpInfo(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), length);
}

function told(info: TcpInfo): [string, unknown][] {
  return Object.entries(info).filter(([, value]) => value !== undefined);
}

describe("struct tcp_info", () => {
  it("decodes at any length to a subset of the whole, with the same values", () => {
    fc.assert(
      fc.property(whole, fc.integer({ min: 104, max: LONGEST }), (bytes, length) => {
        const all = Object.fromEntries(told(decode(bytes, LONGEST)));
        // Bytes beyond the length may hold anything and must not matter.
        const cut = Uint8Array.from(bytes, (byte, i) => (i < length ? byte : byte ^ 0xff));
        const some = told(decode(cut, length));
        expect(Object.fromEntries(some)).toEqual(
          Object.fromEntries(some.map(([name]) => [name, all[name]])),
        );
        // Reading 8 bytes more gives no fewer fields.
        expect(told(decode(bytes, Math.min(LONGEST, length + 8))).length).toBeGreaterThanOrEqual(
          some.length,
        );
      }),
    );
  });

  it("decodes without throwing, however short, to finite numbers that are not negative", () => {
    fc.assert(
      fc.property(whole, fc.integer({ min: 0, max: LONGEST }), (bytes, length) => {
        for (const [name, value] of told(decode(bytes, length))) {
          if (name !== "state")
            expect(value).toSatisfy((it: number) => Number.isFinite(it) && it >= 0);
        }
      }),
    );
  });

  it("is laid out as include/uapi/linux/tcp.h says, in the units halfopen speaks", () => {
    const view = new DataView(new ArrayBuffer(LONGEST));
    view.setUint8(0, 1);
    view.setUint8(3, 7);
    view.setUint32(8, 204_000, true);
    view.setUint32(24, 3, true);
    view.setUint32(56, 1234, true);
    view.setUint32(68, 1500, true);
    view.setBigUint64(120, 2n ** 40n, true);
    view.setUint32(144, 99, true);
    view.setUint32(228, 65_535, true);
    expect(decodeTcpInfo(view, LONGEST)).toMatchObject({
      state: "ESTABLISHED",
      probes: 7,
      rtoMs: 204,
      unackedSegments: 3,
      lastAckReceivedMs: 1234,
      rttMs: 1.5,
      bytesAcked: 2 ** 40,
      notSentBytes: 99,
      sendWindowBytes: 65_535,
    });
  });
});
