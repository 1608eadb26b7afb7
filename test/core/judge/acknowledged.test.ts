import fc from "fast-check";
import { expect, it } from "vitest";
import { isAllAcknowledged } from "../../../src/core/judge/acknowledged.ts";
import type { TcpInfo } from "../../../src/core/tcp-info.ts";

/** Totals as Linux counts them: our SYN and our FIN are a byte each in `bytesAcked`. */
const totals = fc.record({
  written: fc.nat(100_000),
  unacked: fc.oneof(fc.constant(0), fc.nat(3)),
  unsent: fc.oneof(fc.constant(0), fc.nat(3)),
  retransmitted: fc.nat(5000),
  hasConnected: fc.boolean(),
  isFinAcked: fc.boolean(),
});

it("tells of no byte that it was acknowledged if it was not", () => {
  let acknowledged = 0;
  fc.assert(
    fc.property(totals, ({ written, retransmitted, hasConnected, ...more }) => {
      const unsent = Math.min(more.unsent, written);
      const unacked = Math.min(more.unacked, written - unsent);
      const isAll = unacked + unsent === 0;
      const isFinAcked = isAll && more.isFinAcked;
      const info: TcpInfo = {
        state: "CLOSE",
        bytesSent: written - unsent + retransmitted,
        bytesRetransmitted: retransmitted,
        bytesAcked: written - unsent - unacked + Number(hasConnected) + Number(isFinAcked),
        notSentBytes: unsent,
      };
      // One that was accepted must have an answer to its FIN
      const isKnown = isAll && (hasConnected || isFinAcked);
      expect(isAllAcknowledged(info)).toBe(isKnown);
      if (isKnown) acknowledged++;
    }),
  );
  expect(acknowledged).toBeGreaterThan(0);
});

it("tells nothing where the system does not count", () => {
  const whole = { bytesSent: 5, bytesRetransmitted: 0, bytesAcked: 6, notSentBytes: 0 };
  expect(isAllAcknowledged({ state: "CLOSE", ...whole })).toBe(true);
  for (const name of Object.keys(whole))
    expect(isAllAcknowledged({ state: "CLOSE", ...whole, [name]: undefined }), name).toBe(false);
});
