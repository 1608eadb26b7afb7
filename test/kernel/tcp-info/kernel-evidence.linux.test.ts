import { readdirSync, readFileSync } from "node:fs";
import { performance } from "node:perf_hooks";
import { describe, expect, it } from "vitest";
import { openPort } from "../../../src/kernel/port/open-port.ts";
import type { SystemPort } from "../../../src/kernel/port/port.ts";
import { whyNoEvidenceFrom } from "../../../src/kernel/tcp-info/kernel-evidence.ts";

const real = openPort() as SystemPort;
const [IPPROTO_TCP, TCP_INFO] = [6, 11];
/** Offsets in struct tcp_info, from include/uapi/linux/tcp.h. */
const [LAST_DATA_SENT, LAST_DATA_RECV, LAST_ACK_RECV] = [44, 52, 56] as const;
const AGES = [LAST_DATA_SENT, LAST_DATA_RECV, LAST_ACK_RECV];
const [UNACKED, BYTES_ACKED, SEGS_IN, DELIVERED, SND_WND] = [24, 120, 140, 192, 228] as const;
/** The naps of the trial end late on a busy machine. */
const BUSY_MS = 1000;

/** The real kernel with another struct tcp_info, as `change` leaves it. */
function kernelWith(change: (info: DataView) => void): SystemPort {
  return {
    ...real,
    getsockopt(fd, level, option, value) {
      const length = real.getsockopt(fd, level, option, value);
      if (level === IPPROTO_TCP && option === TCP_INFO)
        change(new DataView(value.buffer, value.byteOffset, length));
      return length;
    },
  };
}

function always(value: number, ...fields: readonly number[]): SystemPort {
  return kernelWith((info) => {
    for (const at of fields) info.setUint32(at, value, true);
  });
}

function scaled(factor: number): SystemPort {
  return kernelWith((info) => {
    for (const at of AGES) info.setUint32(at, Math.floor(info.getUint32(at, true) * factor), true);
  });
}

function openDescriptors(): string[] {
  return readdirSync("/proc/self/fd");
}

describe("the trial of the kernel's evidence", () => {
  it("finds nothing against a real kernel, within moments, and leaves no descriptor", () => {
    const before = openDescriptors();
    const startedAt = performance.now();
    const found = Array.from({ length: 20 }, () => whyNoEvidenceFrom(real));
    const tookMs = performance.now() - startedAt;
    console.log(`trial of the kernel's evidence: ${(tookMs / 20).toFixed(1)} ms each`);
    expect(new Set(found)).toEqual(new Set([null]));
    expect(tookMs / 20).toBeLessThan(BUSY_MS);
    expect(openDescriptors()).toEqual(before);
  });

  it("leaves no connection behind", () => {
    const seen: string[] = [];
    const watching: SystemPort = {
      ...real,
      getsockname(fd, into) {
        const length = real.getsockname(fd, into);
        seen.push(`0100007F:${Buffer.from(into.subarray(2, 4)).toString("hex").toUpperCase()}`);
        return length;
      },
    };
    whyNoEvidenceFrom(watching);
    // A busy machine may make a second trial necessary, and another process take the port after it.
    expect(seen.length).toBeGreaterThan(0);
    for (const own of seen)
      expect(readFileSync("/proc/net/tcp", "utf8")).not.toContain(`${own} ${own}`);
  });

  it.each([
    [
      "all but state, timeout, round trip and window, as in gVisor",
      "lastAckReceivedMs",
      () =>
        kernelWith((info) => {
          for (let at = 0; at < info.byteLength; at++)
            if (at > 0 && ![8, 68, 80].includes(at & ~3)) info.setUint8(at, 0);
        }),
    ],
    ["the age of the last ACK alone", "lastAckReceivedMs", () => always(0, LAST_ACK_RECV)],
    ["the ages, which are constant", "lastAckReceivedMs", () => always(7, ...AGES)],
    ["the ages, in microseconds", "lastAckReceivedMs", () => scaled(1000)],
    ["the ages, in seconds", "lastAckReceivedMs", () => scaled(1 / 1000)],
    ["the data in flight", "unackedSegments", () => always(0, UNACKED)],
    ["the bytes acknowledged", "bytesAcked", () => always(0, BYTES_ACKED)],
    ["the segments delivered", "deliveredSegments", () => always(3, DELIVERED)],
    ["the segments received", "segmentsIn", () => always(0, SEGS_IN)],
    ["the peer's window", "sendWindowBytes", () => always(0, SND_WND)],
  ])("finds what never moves, or moves falsely: %s", (_, field, kernel) => {
    const before = openDescriptors();
    expect(whyNoEvidenceFrom(kernel())).toContain(field);
    expect(openDescriptors()).toEqual(before);
  });

  it("does not miss what an older kernel does not report", () => {
    const older: SystemPort = {
      ...real,
      getsockopt: (fd, level, option, value) =>
        Math.min(104, real.getsockopt(fd, level, option, value)),
    };
    expect(whyNoEvidenceFrom(older)).toBe(null);
  });

  it("takes the evidence for granted where it cannot be tried: no socket, no loopback interface, a sandbox, no answer", () => {
    const refused = -13; // EACCES
    for (const call of ["bind", "getsockname", "connect"] as const)
      expect(whyNoEvidenceFrom({ ...always(0, LAST_ACK_RECV), [call]: () => refused })).toBe(null);
    // A connection that is never made: the packets are dropped.
    expect(whyNoEvidenceFrom({ ...always(0, LAST_ACK_RECV), connect: () => -115 })).toBe(null);
  });
});
