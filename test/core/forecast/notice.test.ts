import { describe, expect, it } from "vitest";
import { NoticeForecast, type NoticeSettings } from "../../../src/core/forecast/notice.ts";

const LAN: NoticeSettings = {
  state: "ESTABLISHED",
  keepalive: { enabled: true, idleMs: 7_200_000, intervalMs: 75_000, count: 9 },
  userTimeoutMs: 0,
  rtoMaxMs: 120_000,
  isOrphan: false,
  rttMs: 0.1,
  rtoMs: 204,
  system: {
    keepaliveIdleMs: 7_200_000,
    keepaliveIntervalMs: 75_000,
    keepaliveCount: 9,
    retries2: 15,
    synRetries: 6,
    synLinearTimeouts: 4,
    rtoMaxMs: 120_000,
    orphanRetries: 8,
    finTimeoutMs: 60_000,
  },
};
const keepalive = (idleS: number, intervalS: number, count: number) => ({
  keepalive: { enabled: true, idleMs: idleS * 1000, intervalMs: intervalS * 1000, count },
});
const off = { keepalive: { ...LAN.keepalive, enabled: false } };

function times(settings: Partial<NoticeSettings>) {
  return new NoticeForecast().times({ ...LAN, ...settings });
}

/** Times measured on Linux 6.18, HZ=250, in ms. */
const MEASURED: readonly [string, Partial<NoticeSettings>, "idle" | "inFlight", number][] = [
  ["keepalive 2/1/3, idle", keepalive(2, 1, 3), "idle", 5060],
  [
    "keepalive 2/1/3 with a user timeout of 2.5 s, idle",
    { ...keepalive(2, 1, 3), userTimeoutMs: 2500 },
    "idle",
    3010,
  ],
  [
    "keepalive 2/1/3 with a user timeout of 9 s, idle",
    { ...keepalive(2, 1, 3), userTimeoutMs: 9000 },
    "idle",
    9150,
  ],
  ["user timeout 3 s, in flight", { userTimeoutMs: 3000 }, "inFlight", 3410],
  ["user timeout 0.5 s, in flight", { userTimeoutMs: 500 }, "inFlight", 910],
  ["user timeout 30 s, in flight", { userTimeoutMs: 30_000 }, "inFlight", 30_620],
  ["nothing set, in flight", {}, "inFlight", 937_800],
  ["backoff capped at 1 s, in flight", { rtoMaxMs: 1000 }, "inFlight", 15_000],
  ["keepalive 2/1/3 in FIN_WAIT2", { ...keepalive(2, 1, 3), state: "FIN_WAIT2" }, "idle", 5060],
];

describe("the time until a dead peer is noticed", () => {
  it.each(MEASURED)(
    "%s: agrees with the measurement within 10 %% or 0.5 s",
    (_, settings, traffic, measuredMs) => {
      const foretold = times(settings)[traffic] ?? Number.NaN;
      expect(Math.abs(foretold - measuredMs)).toBeLessThanOrEqual(Math.max(500, 0.1 * measuredMs));
    },
  );

  it("is never on an idle connection without keepalive, with a user timeout or without", () => {
    for (const userTimeoutMs of [0, 3000]) expect(times({ ...off, userTimeoutMs }).idle).toBeNull();
  });

  it("does not rest on keepalive when the kernel alone holds a connection", () => {
    expect(times({ ...off, state: "FIN_WAIT2", isOrphan: true })).toEqual({
      idle: 60_000,
      inFlight: 60_000,
    });
    const orphan = times({ ...off, state: "LAST_ACK", isOrphan: true }).inFlight ?? 0;
    expect(orphan).toBeGreaterThan(100_000);
    expect(orphan).toBeLessThan(120_000);
  });

  it("is 131 s while connecting, or the user timeout if one is set", () => {
    expect(times({ state: "SYN_SENT" })).toEqual({ idle: 131_000, inFlight: 131_000 });
    expect(times({ state: "SYN_SENT", userTimeoutMs: 5000 }).idle).toBe(5000);
  });

  it("is null for sockets without a peer", () =>
    expect(times({ state: "LISTEN" })).toEqual({ idle: null, inFlight: null }));

  it("is the same for the thousandth connection as for the first", () => {
    const forecast = new NoticeForecast();
    for (let rtoMs = 200; rtoMs < 6000; rtoMs++) {
      const settings = { ...LAN, rtoMs, rttMs: rtoMs / 3, rtoMaxMs: 1000 + (rtoMs % 5) * 1000 };
      expect(forecast.times(settings)).toEqual(new NoticeForecast().times(settings));
    }
  });
});
