import { describe, expect, it } from "vitest";
import { RECORD, RECORD_BYTES, SweptSocket } from "../../src/kernel/swept-socket.ts";
import { SweptSockets } from "../../src/kernel/swept-sockets.ts";

/** A socket of this process as a kernel of so many ticks a second tells it: one second of idle time. */
function toldAt(hz: number, rtoMaxTicks = 0): Buffer {
  const record = Buffer.alloc(RECORD_BYTES);
  record.writeUInt32LE(process.pid, RECORD.pid.offset);
  record.writeUInt32LE(hz, RECORD.keepaliveTime.offset);
  record.writeUInt32LE(3 * hz, RECORD.keepaliveInterval.offset);
  record.writeUInt32LE(rtoMaxTicks, RECORD.rtoMax.offset);
  return record;
}

const canary = {
  size: 1,
  isOfOneSecond: () => true,
  confirms: (told: SweptSocket) => told.keepaliveIdleMs === 1000 && told.keepaliveIntervalMs === 3000,
};

describe("what a sweep told", () => {
  it.each([24, 100, 250, 300, 500, 600, 750, 1000, 1024, 10_000])("is understood in ticks of 1/%d s", (hz) => {
    const told: number[] = [];
    SweptSockets.tested([toldAt(hz)], canary)?.forEach(({ keepaliveIntervalMs }) => {
      told.push(keepaliveIntervalMs);
    });
    expect(told).toEqual([3000]);
  });

  it.each([0, 1, 23, 10_001, 2 ** 30])("is discarded when a second has %d ticks", (hz) => {
    expect(SweptSockets.tested([toldAt(hz)], canary)).toBeNull();
  });

  it("is discarded when a record is cut off", () => {
    const whole = toldAt(250);
    expect(SweptSockets.tested([whole, whole.subarray(0, 20)], canary)).toBeNull();
    expect(SweptSockets.tested([whole, whole], { ...canary, size: 2 })).not.toBeNull();
  });

  it("is discarded when a canary socket is missing, doubled or wrong", () => {
    expect(SweptSockets.tested([toldAt(250), toldAt(250)], canary)).toBeNull();
    expect(SweptSockets.tested([], canary)).toBeNull();
    expect(SweptSockets.tested([toldAt(250)], { ...canary, confirms: () => false })).toBeNull();
  });

  // jiffies_to_msecs() in kernel/time/time.c: of 7001 ms, 2101 ticks of 1/300 s, getsockopt makes 7004.
  it.each([
    [2101, 300, 7004],
    [1751, 250, 7004],
    [7001, 1000, 7001],
    [701, 100, 7010],
    [0, 300, null],
  ])("rounds %d ticks of 1/%d s up as getsockopt does: %s ms", (ticks, hz, rtoMaxMs) => {
    const words = new Uint32Array(new Uint8Array(toldAt(hz, ticks)).buffer);
    expect(new SweptSocket(hz).moveTo(words, 0).rtoMaxMs).toBe(rtoMaxMs);
  });
});
