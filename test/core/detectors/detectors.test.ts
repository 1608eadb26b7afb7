import { describe, expect, it } from "vitest";
import { BertierDetector } from "../../../src/core/detectors/bertier-detector.ts";
import { DetectorQos } from "../../../src/core/detectors/detector-qos.ts";
import { ExponentialAccrualDetector } from "../../../src/core/detectors/exponential-accrual-detector.ts";
import { FixedTimeoutDetector } from "../../../src/core/detectors/fixed-timeout-detector.ts";
import { IntervalWindow } from "../../../src/core/detectors/interval-window.ts";
import { NfdEDetector } from "../../../src/core/detectors/nfd-e-detector.ts";
import { NfdSDetector } from "../../../src/core/detectors/nfd-s-detector.ts";
import { log10NormalTail, normalTailQuantile } from "../../../src/core/detectors/normal-tail.ts";
import { PhiAccrualDetector } from "../../../src/core/detectors/phi-accrual-detector.ts";
import { logisticPhi, normalPhi } from "../../../src/core/detectors/phi-law.ts";
import { TwoWindowDetector } from "../../../src/core/detectors/two-window-detector.ts";

describe("NFD-S", () => {
  it("trusts until the freshness point after the newest heartbeat, whenever the heartbeat came", () => {
    const detector = new NfdSDetector({ intervalMs: 100, shiftMs: 30, epoch: 0 });
    detector.heard(229, 2);
    expect(detector.nextDeadline()).toBe(330);
    detector.heard(240, 1);
    expect(detector.nextDeadline()).toBe(330);
    expect(detector.verdict(330)).toBe("suspect");
  });
});

describe("NFD-E", () => {
  it("expects the next heartbeat at the mean of the last arrivals, whatever was lost in between", () => {
    const detector = new NfdEDetector({ intervalMs: 100, marginMs: 50, samples: 3 }, 0);
    detector.heard(1010, 10);
    detector.heard(1420, 14);
    detector.heard(1530, 15);
    expect(detector.nextDeadline()).toBeCloseTo(1620 + 50, 9);
    detector.heard(1640, 16);
    expect(detector.nextDeadline()).toBeCloseTo(1730 + 50, 9);
  });
});

describe("two windows", () => {
  it("follow a jump of the delay at once", () => {
    const [jumpy, plain] = [
      new TwoWindowDetector({ intervalMs: 100, marginMs: 50 }, 0),
      new NfdEDetector({ intervalMs: 100, marginMs: 50 }, 0),
    ];
    for (let i = 0; i < 50; i++)
      for (const detector of [jumpy, plain]) detector.heard(100 * i + (i < 49 ? 10 : 210), i);
    expect(jumpy.nextDeadline()).toBeCloseTo(5000 + 210 + 50, 6);
    expect(plain.nextDeadline()).toBeLessThan(5000 + 30 + 50);
  });
});

describe("Bertier", () => {
  it("widens its margin with the error of its estimate", () => {
    const detector = new BertierDetector({ intervalMs: 100 }, 0);
    for (let i = 0; i < 500; i++) detector.heard(100 * i, i);
    const steady = detector.nextDeadline() - 50_000;
    for (let i = 500; i < 600; i++) detector.heard(100 * i + (i % 2) * 40, i);
    const shaken = detector.nextDeadline() - 60_000;
    expect(steady).toBeLessThan(1);
    expect(shaken).toBeGreaterThan(50);
  });
});

describe("phi", () => {
  it("is the decimal exponent of the tail of the normal law, also far out", () => {
    expect(log10NormalTail(1.959963984540054)).toBeCloseTo(Math.log10(0.025), 12);
    expect(log10NormalTail(3.999999)).toBeCloseTo(log10NormalTail(4.000001), 5);
    expect(log10NormalTail(-1)).toBeCloseTo(Math.log10(0.8413447460685429), 12);
    // Abramowitz and Stegun, table 26.2: -log10 Q(5) = 6.54265, Q(10) = 23.11805, Q(50) =
    // 544.96634.
    for (const [z, phi] of [
      [5, 6.54265],
      [10, 23.11805],
      [50, 544.96634],
    ] as const)
      expect(-log10NormalTail(z)).toBeCloseTo(phi, 5);
  });

  it("is the inverse of lateness, for both laws", () => {
    for (const phi of [0.1, 0.5, 1, 8, 12, 40, 133, 300]) {
      for (const law of [normalPhi, logisticPhi])
        expect(law.phi(law.latenessAt(phi))).toBeCloseTo(phi, 6);
      expect(log10NormalTail(normalTailQuantile(-phi))).toBeCloseTo(-phi, 8);
    }
  });

  it("gives Akka's 4.6 s with Akka's settings: 1 s interval, 3 s pause, deviation 100 ms, threshold 8", () => {
    const options = {
      intervalMs: 1000,
      acceptablePauseMs: 3000,
      leastDeviationMs: 100,
      law: "logistic",
    } as const;
    const detector = new PhiAccrualDetector(options, 0);
    for (let i = 1; i <= 2000; i++) detector.heard(1000 * i, i);
    expect(detector.nextDeadline() - 2_000_000).toBeGreaterThan(4500);
    expect(detector.nextDeadline() - 2_000_000).toBeLessThan(4700);
  });
});

describe("exponential accrual", () => {
  it("takes Cassandra's 18.42 mean intervals to reach level 8", () => {
    const detector = new ExponentialAccrualDetector({ intervalMs: 1000 }, 0);
    for (let i = 1; i <= 50; i++) detector.heard(1000 * i, i);
    expect(detector.nextDeadline() - 50_000).toBeCloseTo(18_420.68, 1);
  });
});

describe("the window of intervals", () => {
  it("keeps the mean of the last intervals to twelve digits, and their deviation to six, over a million", () => {
    const window = new IntervalWindow(100);
    const last: number[] = [];
    for (let i = 0; i < 1_000_000; i++) {
      const intervalMs = 1e7 + ((i * 7919) % 1009) / 1009;
      window.add(intervalMs);
      last.push(intervalMs);
      if (last.length > 100) last.shift();
    }
    const mean = last.reduce((sum, ms) => sum + ms, 0) / 100;
    const deviation = Math.sqrt(last.reduce((sum, ms) => sum + (ms - mean) ** 2, 0) / 100);
    expect(window.meanMs / mean).toBeCloseTo(1, 12);
    expect(window.deviationMs / deviation).toBeCloseTo(1, 6);
  });
});

describe("quality at run time", () => {
  it("counts refuted suspicions as mistakes and the present suspicion as a detection", () => {
    const qos = new DetectorQos(0);
    qos.suspected(1000, 700);
    qos.trusted(1100);
    qos.suspected(3000, 2800);
    qos.trusted(3300);
    expect(qos.report(10_000)).toEqual({
      observedMs: 10_000,
      mistakes: 2,
      mistakesPerHour: 720,
      meanBetweenMistakesMs: 5000,
      meanMistakeMs: 200,
      queryAccuracy: 0.96,
      detectionMs: null,
    });
    qos.suspected(9000, 8500);
    const report = qos.report(60_000);
    expect(report.detectionMs).toBe(500);
    expect(report.mistakes).toBe(2);
    expect(report.observedMs).toBe(9000);
  });
});

describe("options out of range", () => {
  it("are refused with ERR_OPTION_RANGE", () => {
    const refused = { code: "ERR_OPTION_RANGE" };
    expect(() => new FixedTimeoutDetector({ timeoutMs: 0 }, 0)).toThrow(
      expect.objectContaining(refused),
    );
    expect(() => new NfdEDetector({ intervalMs: Number.NaN, marginMs: 1 }, 0)).toThrow(
      expect.objectContaining(refused),
    );
    expect(() => new NfdEDetector({ intervalMs: 1, marginMs: 1, samples: 0 }, 0)).toThrow(
      expect.objectContaining(refused),
    );
    expect(() => new PhiAccrualDetector({ intervalMs: 1, threshold: 1000 }, 0)).toThrow(
      expect.objectContaining(refused),
    );
  });
});
