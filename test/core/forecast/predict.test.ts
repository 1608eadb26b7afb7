import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { HalfOpenError } from "../../../src/core/errors.ts";
import { predict } from "../../../src/core/forecast/predict.ts";
import type { DetectionTime, PredictSettings } from "../../../src/core/forecast/prediction.ts";

const s = (seconds: number): number => seconds * 1000;
const ka = (idle: number, interval: number, count: number) => ({
  idleMs: s(idle),
  intervalMs: s(interval),
  count,
});
const retries = (retries2: number) => ({ system: { retries2 } });

/**
 * Measured on Linux 6.18, HZ=250, over a LAN. Idle times count from the last segment heard, which
 * is the worst phase.
 */
const MEASURED: readonly [
  string,
  PredictSettings,
  "idle" | "inFlight" | "zeroWindowDead" | "halfClosed",
  number[],
][] = [
  ["keepalive 2/1/3", { keepalive: ka(2, 1, 3) }, "idle", [5060]],
  ["keepalive 2/1/3, half-closed", { keepalive: ka(2, 1, 3) }, "halfClosed", [5060, 5090]],
  [
    "keepalive 2/1/3 and user timeout 2.5 s",
    { keepalive: ka(2, 1, 3), userTimeoutMs: 2500 },
    "idle",
    [3010],
  ],
  [
    "keepalive 2/1/3 and user timeout 4.5 s",
    { keepalive: ka(2, 1, 3), userTimeoutMs: 4500 },
    "idle",
    [5060],
  ],
  [
    "keepalive 2/1/3 and user timeout 9 s",
    { keepalive: ka(2, 1, 3), userTimeoutMs: 9000 },
    "idle",
    [9150],
  ],
  ["keepalive 30/1/10, Node's", { keepalive: ka(30, 1, 10) }, "idle", [40_300]],
  ["user timeout 0.5 s", { userTimeoutMs: 500 }, "inFlight", [910]],
  ["user timeout 3 s", { userTimeoutMs: 3000 }, "inFlight", [3410]],
  ["user timeout 10 s", { userTimeoutMs: 10_000 }, "inFlight", [10_660]],
  ["user timeout 20 s", { userTimeoutMs: 20_000 }, "inFlight", [20_640]],
  ["user timeout 60 s", { userTimeoutMs: 60_000 }, "inFlight", [60_580]],
  ["tcp_retries2 3", retries(3), "inFlight", [6640]],
  ["tcp_retries2 5", retries(5), "inFlight", [13_300]],
  ["tcp_retries2 6", retries(6), "inFlight", [26_500, 26_800]],
  ["tcp_retries2 8", retries(8), "inFlight", [107_500]],
  ["tcp_retries2 15", retries(15), "inFlight", [937_800]],
  ["tcp_retries2 6, cap 1 s", { ...retries(6), rtoMaxMs: 1000 }, "inFlight", [6790]],
  ["tcp_retries2 4, cap 1 s", { ...retries(4), rtoMaxMs: 1000 }, "inFlight", [4750]],
  ["tcp_retries2 15, cap 1 s", { rtoMaxMs: 1000 }, "inFlight", [15_000]],
  ["tcp_retries2 15, cap 1 s, closed window", { rtoMaxMs: 1000 }, "zeroWindowDead", [15_400]],
  ["tcp_retries2 4, closed window", retries(4), "zeroWindowDead", [8740, 9800]],
];

describe("predict", () => {
  it.each(MEASURED)(
    "agrees with the measurement: %s, %o, %s",
    (_, settings, situation, measured) => {
      const time = predict(settings)[situation] as DetectionTime;
      for (const ms of measured) {
        expect(ms).toBeGreaterThanOrEqual(time.bestMs * 0.95 - 100);
        expect(ms).toBeLessThanOrEqual(time.worstMs * 1.05 + 100);
      }
    },
  );

  it("says never when no packet is sent that could stay unanswered", () => {
    for (const settings of [{}, { userTimeoutMs: 5000 }])
      expect(predict(settings)).toMatchObject({ idle: null, halfClosed: null });
    expect(predict({ userTimeoutMs: 5000 }).warnings.join()).toMatch(
      /user timeout alone does nothing/,
    );
  });

  it("says which settings end a live peer that does not read", () => {
    expect(predict({ keepalive: true }).zeroWindowAliveKilled).toBe(false);
    expect(predict({ userTimeoutMs: 5000 }).zeroWindowAliveKilled).toBe(true);
    expect(
      predict({ heartbeat: { intervalMs: 1000, timeoutMs: 1000 } }).zeroWindowAliveKilled,
    ).toBe(true);
  });

  it("knows how long connect() tries, before and after Linux 6.5", () => {
    expect(predict({ kernel: "6.4" }).connecting?.typicalMs).toBe(127_000);
    expect(predict({ kernel: "6.5.0-1-amd64" }).connecting?.typicalMs).toBe(131_000);
  });

  // Measured on 6.18 against an address that never answers
  it.each<[string, PredictSettings, number]>([
    ["1 retry", { system: { synRetries: 1 } }, 3080],
    ["2 retries", { system: { synRetries: 2 } }, 7140],
    ["3 retries", { system: { synRetries: 3 } }, 19_510],
    ["4 retries", { system: { synRetries: 4 } }, 35_620],
    ["2 retries, cap 1 s", { system: { synRetries: 2 }, rtoMaxMs: 1000 }, 3060],
    ["4 retries, cap 1 s", { system: { synRetries: 4 }, rtoMaxMs: 1000 }, 5100],
    ["2 retries, cap 2 s", { system: { synRetries: 2 }, rtoMaxMs: 2000 }, 5100],
    ["3 retries, cap 2 s", { system: { synRetries: 3 }, rtoMaxMs: 2000 }, 7140],
    ["4 retries, cap 2 s", { system: { synRetries: 4 }, rtoMaxMs: 2000 }, 9160],
    ["user timeout 0.3 s", { userTimeoutMs: 300 }, 1050],
    ["user timeout 2.5 s", { userTimeoutMs: 2500 }, 2530],
    ["user timeout 9 s", { userTimeoutMs: 9000 }, 9020],
    ["user timeout 20 s", { userTimeoutMs: 20_000 }, 20_020],
  ])("agrees with the measured time of connect(): %s", (_, settings, measuredMs) => {
    const { bestMs, worstMs } = predict(settings).connecting as DetectionTime;
    expect(measuredMs).toBeGreaterThanOrEqual(bestMs * 0.95 - 100);
    expect(measuredMs).toBeLessThanOrEqual(worstMs * 1.05 + 100);
    expect(worstMs).toBeLessThan(1.3 * bestMs);
  });

  it("knows which options a kernel does not have", () => {
    const capped = predict({ kernel: "6.12.48", rtoMaxMs: 1000 });
    expect(capped.inFlight).toEqual(predict().inFlight);
    expect(capped.warnings.join()).toMatch(/6.12.48 has no TCP_RTO_MAX_MS/);
    expect(predict({ kernel: "6.15", rtoMaxMs: 1000 }).inFlight).toEqual(
      predict({ rtoMaxMs: 1000 }).inFlight,
    );
    for (const [kernel, isKilled] of [
      ["4.19", false],
      ["5.4", true],
      ["5.9", false],
      ["5.10.0-30-amd64", true],
      ["6.1", true],
    ] as const) {
      const { zeroWindowAliveKilled, zeroWindowDead } = predict({ kernel, userTimeoutMs: 5000 });
      expect(zeroWindowAliveKilled, kernel).toBe(isKilled);
      expect(zeroWindowDead?.by, kernel).toMatch(isKilled ? /user timeout/ : /tcp_retries2/);
    }
  });

  it("warns that null means unknown when nothing is known", () => {
    for (const platform of ["freebsd", "win32"] as const) {
      const { zeroWindowDead, warnings } = predict({ platform, keepalive: true });
      expect(zeroWindowDead).toBeNull();
      expect(warnings.join()).toMatch(/null means unknown there, not never/);
    }
  });

  it("warns of the traps", () => {
    const said = (settings: PredictSettings): string => predict(settings).warnings.join("\n");
    expect(said({ keepalive: ka(10, 1, 3) })).toMatch(/does not run while data is in flight/);
    expect(said({ keepalive: ka(10, 1, 3), userTimeoutMs: 9000 })).toMatch(
      /does not read for 9 s[\s\S]*count of 3 is ignored/,
    );
    expect(said({ keepalive: ka(400, 1, 3) })).toMatch(/AWS NAT Gateway after 350 s/);
    expect(said({ keepalive: ka(30, 2, 3) })).toMatch(/Node 20 and 22 fix interval/);
    expect(said({ keepalive: { idleMs: 1500, intervalMs: 1000, count: 10 } })).toMatch(
      /whole seconds/,
    );
    expect(said({ platform: "win32" })).toMatch(/not measured/);
  });

  it("is monotonic: with a longer timer a dead peer is never noticed sooner", () => {
    const seconds = fc.integer({ min: 1, max: 5000 });
    fc.assert(
      fc.property(
        seconds,
        seconds,
        fc.integer({ min: 1, max: 100 }),
        fc.integer({ min: 1, max: 100 }),
        (idle, interval, count, more) => {
          const short = predict({ keepalive: ka(idle, interval, count) }).idle as DetectionTime;
          for (const longer of [
            ka(idle + more, interval, count),
            ka(idle, interval + more, count),
            ka(idle, interval, count + more),
          ]) {
            expect(
              (predict({ keepalive: longer }).idle as DetectionTime).worstMs,
            ).toBeGreaterThanOrEqual(short.worstMs);
          }
          for (const time of [
            short,
            predict({ userTimeoutMs: s(idle) }).inFlight as DetectionTime,
          ]) {
            expect(time.bestMs).toBeLessThanOrEqual(time.typicalMs);
            expect(time.typicalMs).toBeLessThanOrEqual(time.worstMs);
          }
        },
      ),
    );
  });

  it.each([
    { keepalive: { idleMs: 0, intervalMs: 1000, count: 1 } },
    { keepalive: { idleMs: 1000, intervalMs: Number.NaN, count: 1 } },
    { userTimeoutMs: -1 },
    { heartbeat: { intervalMs: 0, timeoutMs: 5 } },
    { platform: "plan9" },
    { kernel: "newest" },
    { rttMs: Number.POSITIVE_INFINITY },
  ])("refuses %j", (settings) => {
    expect(() => predict(settings as PredictSettings)).toThrow(HalfOpenError);
  });
});

describe("the outages that settings survive", () => {
  it("end before the last probe, or the last transmission, that can still be answered", () => {
    const keepalive = ka(5, 1, 4);
    expect(predict({ keepalive }).survivesOutage?.idleMs).toBe(3000);
    // The count is ignored, and a late tick may be the first beyond the timeout.
    expect(predict({ keepalive, userTimeoutMs: 9000 }).survivesOutage).toEqual({
      idleMs: 3000,
      inFlightMs: 4500,
    });
    expect(predict({}).survivesOutage?.idleMs).toBeNull();
    expect(predict({ rtoMaxMs: 1000, ...retries(6) }).survivesOutage?.inFlightMs).toBe(4428);
  });

  it("are shorter than half of a heartbeat's timeout, since TCP repeats what they swallowed", () => {
    const heartbeat = { intervalMs: 1000, timeoutMs: 4000 };
    expect(predict({ heartbeat }).survivesOutage).toEqual({ idleMs: 1881, inFlightMs: 1881 });
  });

  it("are not known on other platforms", () =>
    expect(predict({ platform: "darwin" }).survivesOutage).toBeNull());
});
