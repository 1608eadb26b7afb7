import { isIPv4, isIPv6, SocketAddress } from "node:net";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { addressBytes, addressText, endpointText } from "../../../src/kernel/netlink/ip-address.ts";

/** Returns an address as Node itself spells it. */
function canonical(text: string): string {
  return new SocketAddress({ address: text, family: isIPv4(text) ? "ipv4" : "ipv6" }).address;
}

describe("an address", () => {
  it("keeps its bytes when written as text and read again", () => {
    // Many zeros, since the text leaves them out.
    const group = fc.oneof(
      fc.constant([0, 0]),
      fc.tuple(fc.integer({ min: 0, max: 255 }), fc.integer({ min: 0, max: 255 })),
    );
    fc.assert(
      fc.property(fc.array(group, { minLength: 8, maxLength: 8 }), (groups) => {
        const bytes = Uint8Array.from(groups.flat());
        const text = addressText(bytes);
        expect(isIPv6(text)).toBe(true);
        // The kernel's ::ffff:a.b.c.d counts as IPv4 everywhere here. Only Node spells it with
        // dots.
        expect(addressBytes(text)).toEqual(bytes);
      }),
      { numRuns: 1000 },
    );
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 4, maxLength: 4 }), (bytes) => {
        expect(addressBytes(addressText(bytes))).toEqual(bytes);
      }),
    );
  });

  it("is read as Node reads it, in every spelling", () => {
    fc.assert(
      fc.property(fc.ipV6(), (text) => {
        const bytes = addressBytes(text);
        expect(bytes && canonical(addressText(bytes))).toBe(
          canonical(bytes?.length === 4 ? addressText(bytes) : text),
        );
      }),
    );
  });

  it.each([
    ["::ffff:10.1.2.3", [10, 1, 2, 3]],
    ["127.0.0.1", [127, 0, 0, 1]],
    ["fe80::1%eth0", [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]],
    ["::", Array(16).fill(0)],
  ])("%s is %j", (text, bytes) => expect([...(addressBytes(text) ?? [])]).toEqual(bytes));

  it.each(["", "localhost", "1.2.3", "1.2.3.4.5", "::1::", "12345::", "%eth0", "::ffff:"])(
    "%j is no address",
    (text) => {
      expect(addressBytes(text)).toBeNull();
    },
  );

  it("is written with its port so that both can be read back", () => {
    expect(endpointText("10.0.0.1", 80)).toBe("10.0.0.1:80");
    expect(endpointText("::1", 80)).toBe("[::1]:80");
  });
});
