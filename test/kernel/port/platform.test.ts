import { describe, expect, it } from "vitest";
import { detectionOf, keepaliveAlone } from "../../../src/core/judge/keepalive-alone.ts";
import { encodeKeepaliveVals } from "../../../src/kernel/options/keepalive-vals.ts";
import { PLATFORMS, tableOf } from "../../../src/kernel/port/platform.ts";
import { isSockaddrOf } from "../../../src/kernel/process/winsock-address.ts";
import { decodeDarwinTcpInfo } from "../../../src/kernel/tcp-info/codec-darwin.ts";
import { decodeFreebsdTcpInfo } from "../../../src/kernel/tcp-info/codec-freebsd.ts";
import { decodeWin32TcpInfo, TCP_INFO_BYTES } from "../../../src/kernel/tcp-info/codec-win32.ts";

/** Makes a struct by hand: offset -> value, by width. */
function struct(
  bytes: number,
  u8: Record<number, number>,
  u32: Record<number, number>,
  u64: Record<number, bigint> = {},
): DataView {
  // A byte that is not set must not look like a value.
  const view = new DataView(new Uint8Array(bytes).fill(0xee).buffer);
  for (const [at, value] of Object.entries(u8)) view.setUint8(Number(at), value);
  for (const [at, value] of Object.entries(u32)) view.setUint32(Number(at), value, true);
  for (const [at, value] of Object.entries(u64)) view.setBigUint64(Number(at), value, true);
  return view;
}

describe("the table of platforms", () => {
  it("has the numbers of each system's headers", () => {
    const numbers = ({
      idle,
      interval,
      count,
      userTimeout,
    }: (typeof PLATFORMS)["linux"]): (number | string)[] => [
      idle.option,
      interval.option,
      count.option,
      ...userTimeout.map(({ option, unitMs }) => `${option}/${unitMs}`),
    ];
    expect(numbers(PLATFORMS.linux)).toEqual([4, 5, 6, "18/1"]);
    // TCP_RXT_CONNDROPTIME and TCP_MAXUNACKTIME are seconds.
    expect(numbers(PLATFORMS.darwin)).toEqual([0x10, 0x101, 0x102, "128/1000"]);
    expect(numbers(PLATFORMS.freebsd)).toEqual([256, 512, 1024, "68/1000"]);
    expect(numbers(PLATFORMS.win32)).toEqual([3, 17, 16, "14/1", "5/1000"]);
  });

  it("has no entry for other systems", () => {
    expect(tableOf("sunos")).toBeNull();
    expect(tableOf("toString")).toBeNull();
  });
});

describe("Windows", () => {
  it("takes struct tcp_keepalive in ms", () => {
    const bytes = encodeKeepaliveVals({ enabled: true, idleMs: 5500, intervalMs: 3000 });
    expect([...bytes]).toEqual([1, 0, 0, 0, 0x7c, 0x15, 0, 0, 0xb8, 0x0b, 0, 0]);
    expect([...encodeKeepaliveVals({ enabled: false, idleMs: 1, intervalMs: 2 })]).toEqual([
      0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0,
    ]);
  });

  it("gives TCP_INFO_v0, v1 and v2, which begin with the same fields", () => {
    const view = struct(
      152,
      { 16: 1 },
      { 0: 4, 4: 1460, 20: 1500, 24: 900, 28: 300, 32: 14_600, 36: 65_535, 68: 2920 },
      { 8: 5000n, 48: 2n ** 33n, 56: 77n },
    );
    for (const length of TCP_INFO_BYTES)
      expect(decodeWin32TcpInfo(view, length)).toEqual({
        state: "ESTABLISHED",
        sendMssBytes: 1460,
        rttMs: 1.5,
        minRttMs: 0.9,
        bytesInFlight: 300,
        sendWindowBytes: 65_535,
        bytesAcked: 2 ** 33 - 300,
        bytesReceived: 77,
        bytesRetransmitted: 2920,
      });
    expect(decodeWin32TcpInfo(view, 0).state).toBe("CLOSE");
  });

  it("has its SOCKET recognised by address and port, IPv4 inside IPv6 included", () => {
    const inet = Uint8Array.of(2, 0, 0x1f, 0x90, 10, 0, 0, 7);
    expect(isSockaddrOf(inet, "10.0.0.7", 8080)).toBe(true);
    expect(isSockaddrOf(inet, "10.0.0.8", 8080)).toBe(false);
    expect(isSockaddrOf(inet, "10.0.0.7", 8081)).toBe(false);
    const inet6 = (address: number[]): Uint8Array =>
      Uint8Array.of(23, 0, 0x1f, 0x90, 0, 0, 0, 0, ...address, 0, 0, 0, 0);
    const mapped = inet6([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 7]);
    expect(isSockaddrOf(mapped, "::ffff:10.0.0.7", 8080)).toBe(true);
    expect(isSockaddrOf(mapped, "10.0.0.7", 8080)).toBe(true);
    const plain = inet6([0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9]);
    expect(isSockaddrOf(plain, "fe80::9%4", 8080)).toBe(true);
    expect(isSockaddrOf(plain, "fe80::a", 8080)).toBe(false);
    expect(isSockaddrOf(plain, "no address", 8080)).toBe(false);
  });
});

describe("macOS and FreeBSD", () => {
  it("macOS gives struct tcp_connection_info in ms", () => {
    const view = struct(
      112,
      { 0: 4 },
      { 12: 230, 16: 1448, 28: 131_072, 44: 12, 48: 3 },
      { 56: 10n, 72: 2896n, 80: 11n, 88: 2n ** 32n, 104: 2n },
    );
    expect(decodeDarwinTcpInfo(view, 112)).toEqual({
      state: "ESTABLISHED",
      rtoMs: 230,
      sendMssBytes: 1448,
      sendWindowBytes: 131_072,
      rttMs: 12,
      rttVarMs: 3,
      segmentsOut: 10,
      bytesRetransmitted: 2896,
      segmentsIn: 11,
      bytesReceived: 2 ** 32,
      totalRetransmits: 2,
    });
    // State 5 is CLOSE_WAIT on the BSDs, and FIN_WAIT1 on Windows.
    expect(decodeDarwinTcpInfo(struct(112, { 0: 5 }, {}), 112).state).toBe("CLOSE_WAIT");
    expect(decodeWin32TcpInfo(struct(152, {}, { 0: 5 }), 88).state).toBe("FIN_WAIT1");
  });

  it("FreeBSD gives struct tcp_info in microseconds, and leaves unacked, probes and last_ack_recv empty", () => {
    const view = struct(
      240,
      { 0: 4, 3: 9 },
      { 8: 230_000, 16: 1448, 24: 3, 52: 1_500_000, 56: 9, 68: 1500, 72: 750, 100: 65_535, 120: 4 },
    );
    expect(decodeFreebsdTcpInfo(view, 240)).toEqual({
      state: "ESTABLISHED",
      rtoMs: 230,
      sendMssBytes: 1448,
      lastDataReceivedMs: 1500,
      rttMs: 1.5,
      rttVarMs: 0.75,
      sendWindowBytes: 65_535,
      totalRetransmits: 4,
    });
  });

  it("no codec throws or invents a value, however short the struct", () => {
    const view = struct(240, {}, {});
    for (const decode of [decodeDarwinTcpInfo, decodeFreebsdTcpInfo, decodeWin32TcpInfo])
      for (let length = 0; length < 8; length++)
        expect(
          Object.entries(decode(view, length)).filter(
            ([name, value]) => name !== "state" && value !== undefined,
          ),
        ).toEqual([]);
  });
});

describe("a keepalive that is alone", () => {
  const means = {
    windows: { fixedCount: 10, stepMs: 1 },
    wine: { fixedCount: 10, stepMs: 1000 },
    seconds: { fixedCount: null, stepMs: 1000 },
  };

  it("keeps every budget that the system's units and count allow, and survives an outage of 0.4 budgets", () => {
    for (const [name, budgets] of [
      ["windows", [2000, 2500, 5000, 10_000, 60_000]],
      ["wine", [12_000, 15_000, 60_000]],
      ["seconds", [5000, 10_000, 60_000]],
    ] as const)
      for (const budgetMs of budgets) {
        const timers = keepaliveAlone(budgetMs, means[name]);
        const message = `${name} ${budgetMs}: ${JSON.stringify(timers)}`;
        expect(detectionOf(timers), message).toBeLessThanOrEqual(budgetMs);
        expect(timers.intervalMs * timers.count, message).toBeGreaterThanOrEqual(0.4 * budgetMs);
        for (const ms of [timers.idleMs, timers.intervalMs])
          expect(ms % means[name].stepMs, message).toBe(0);
      }
  });

  it("takes the shortest times for a budget that cannot be kept", () => {
    expect(keepaliveAlone(5000, means.wine)).toEqual({ idleMs: 1000, intervalMs: 1000, count: 10 });
  });
});
