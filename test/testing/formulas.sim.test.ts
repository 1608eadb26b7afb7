import { describe, expect, it } from "vitest";
import { chenQos, fixedTimeoutMistakesPerHour } from "../../src/core/detectors/chen-qos.ts";
import {
  constantDelay,
  type DelayLaw,
  exponentialDelay,
  lognormalDelay,
  paretoDelay,
  uniformDelay,
} from "../../src/core/detectors/delay-law.ts";
import { FixedTimeoutDetector } from "../../src/core/detectors/fixed-timeout-detector.ts";
import type { LossLaw } from "../../src/core/detectors/loss-law.ts";
import { NfdEDetector } from "../../src/core/detectors/nfd-e-detector.ts";
import { NfdSDetector } from "../../src/core/detectors/nfd-s-detector.ts";
import { NfdUDetector } from "../../src/core/detectors/nfd-u-detector.ts";
import { seededRandom } from "../../src/testing/seeded-random.ts";
import { simulateDetector } from "../../src/testing/simulate-detector.ts";
import { lengthName, longOrShort } from "../setup/run-length.ts";

/** HALFOPEN_SEED=n repeats a run. */
const firstSeed = Number(process.env.HALFOPEN_SEED ?? Math.floor(Math.random() * 1e9));
const heartbeats = longOrShort(2_000_000, 400_000);
const draws = longOrShort(100, 40);

interface Draw {
  readonly intervalMs: number;
  readonly shiftMs: number;
  readonly delay: DelayLaw;
  readonly loss: LossLaw;
}

function draw(seed: number, isBursty: boolean): Draw {
  const random = seededRandom(seed);
  const intervalMs = 20 + 480 * random();
  const base = 100 * random();
  const spread = intervalMs * (0.02 + 0.2 * random());
  const laws = [
    exponentialDelay(base, spread),
    uniformDelay(base, base + spread),
    lognormalDelay(base, spread / 2, 0.3 + 0.7 * random()),
    paretoDelay(base, 3 * spread, 4),
  ];
  const delay = laws[Math.floor(random() * laws.length)] as DelayLaw;
  const loss: LossLaw = isBursty
    ? {
        meanBurstMs: intervalMs * (0.5 + 4 * random()),
        burstShare: 0.005 + 0.05 * random(),
        lossBetween: 0.02 * random(),
        lossInBurst: 0.7 + 0.3 * random(),
      }
    : 0.01 + 0.15 * random();
  // Enough mistakes to count, and few enough to keep apart: one freshness point covers one or two
  // losses.
  const shiftMs = delay.meanMs + intervalMs * (0.1 + 1.2 * random());
  return { intervalMs, shiftMs, delay, loss };
}

describe(`the exact formulas agree with the simulation (seed ${firstSeed}, ${lengthName}: ${draws} draws of ${heartbeats} heartbeats)`, () => {
  for (const isBursty of [false, true]) {
    it(`for random parameters with ${isBursty ? "losses in bursts" : "independent losses"}`, {
      timeout: 600_000,
    }, () => {
      console.log(`seeds ${firstSeed} to ${firstSeed + draws - 1}`);
      const outside: string[] = [];
      for (let seed = firstSeed; seed < firstSeed + draws; seed++) {
        const parameters = draw(seed, isBursty);
        const { intervalMs, shiftMs } = parameters;
        const exact = chenQos(parameters);
        const detector = (): NfdSDetector => new NfdSDetector({ intervalMs, shiftMs, epoch: 0 });
        const { qos, detection } = simulateDetector({ ...parameters, seed, heartbeats, detector });
        // Mistakes cluster as losses do. So the interval is that of a Poisson count, widened by the
        // length of a burst in heartbeats.
        const cluster =
          typeof parameters.loss === "number" ? 1 : 1 + parameters.loss.meanBurstMs / intervalMs;
        const expected = (exact.mistakesPerHour * qos.observedMs) / 3_600_000;
        // 4.5 sigma: one draw in 150000 lies outside by chance.
        const margin = 4.5 * Math.sqrt(Math.max(1, expected) * cluster) + 2;
        if (Math.abs(qos.mistakes - expected) > margin)
          outside.push(
            `seed ${seed}: ${qos.mistakes} mistakes, ${expected.toFixed(1)} +- ${margin.toFixed(1)} expected`,
          );
        const wrong = 1 - qos.queryAccuracy;
        const wrongMargin =
          (1 - exact.queryAccuracy) *
            Math.min(1, (4.5 * 2 * Math.sqrt(cluster)) / Math.sqrt(Math.max(1, expected))) +
          1e-5;
        if (Math.abs(wrong - (1 - exact.queryAccuracy)) > wrongMargin)
          outside.push(
            `seed ${seed}: wrong for ${wrong} of the time, ${1 - exact.queryAccuracy} +- ${wrongMargin} expected`,
          );
        if (detection.worstMs > exact.detectionBoundMs + 1e-6)
          outside.push(
            `seed ${seed}: detected after ${detection.worstMs}, bound ${exact.detectionBoundMs}`,
          );
      }
      expect(outside).toEqual([]);
    });
  }
});

/**
 * Ten settings as a planner would choose them. The prediction must hold for detectors that
 * estimate, too.
 */
const settings: {
  name: string;
  intervalMs: number;
  delay: DelayLaw;
  loss: LossLaw;
  detector: "NFD-S" | "NFD-U" | "NFD-E" | "fixed";
  lateMs: number;
}[] = [
  {
    name: "1 % loss on a LAN",
    intervalMs: 100,
    delay: exponentialDelay(0.2, 0.1),
    loss: 0.01,
    detector: "NFD-E",
    lateMs: 120,
  },
  {
    name: "5 % loss on a WAN",
    intervalMs: 100,
    delay: exponentialDelay(40, 5),
    loss: 0.05,
    detector: "NFD-E",
    lateMs: 150,
  },
  {
    name: "10 % loss, fixed timeout",
    intervalMs: 200,
    delay: exponentialDelay(40, 10),
    loss: 0.1,
    detector: "fixed",
    lateMs: 450,
  },
  {
    name: "heavy tail of the delay",
    intervalMs: 100,
    delay: lognormalDelay(30, 10, 1),
    loss: 0.02,
    detector: "NFD-U",
    lateMs: 140,
  },
  {
    name: "late heartbeats only",
    intervalMs: 50,
    delay: paretoDelay(20, 20, 3),
    loss: 0,
    detector: "NFD-S",
    lateMs: 60,
  },
  {
    name: "bursts of half a second",
    intervalMs: 100,
    delay: lognormalDelay(40, 2, 1),
    loss: { meanBurstMs: 500, burstShare: 0.01, lossBetween: 0.002 },
    detector: "NFD-E",
    lateMs: 350,
  },
  {
    name: "the same, fixed timeout",
    intervalMs: 100,
    delay: lognormalDelay(40, 2, 1),
    loss: { meanBurstMs: 500, burstShare: 0.01, lossBetween: 0.002 },
    detector: "fixed",
    lateMs: 820,
  },
  {
    name: "long bursts, rarely",
    intervalMs: 500,
    delay: exponentialDelay(80, 20),
    loss: { meanBurstMs: 3000, burstShare: 0.01 },
    detector: "NFD-E",
    lateMs: 4200,
  },
  {
    name: "bursts that let some through",
    intervalMs: 200,
    delay: exponentialDelay(20, 5),
    loss: { meanBurstMs: 1000, burstShare: 0.05, lossInBurst: 0.7, lossBetween: 0.005 },
    detector: "NFD-U",
    lateMs: 700,
  },
  {
    name: "short bursts, often",
    intervalMs: 50,
    delay: uniformDelay(10, 20),
    loss: { meanBurstMs: 80, burstShare: 0.08 },
    detector: "NFD-S",
    lateMs: 280,
  },
];

describe("predicted and simulated false alarms agree within a factor of 2", () => {
  for (const { name, detector: kind, lateMs, ...path } of settings) {
    it(`${name} (${kind})`, () => {
      const { intervalMs, delay } = path;
      const predicted =
        kind === "fixed"
          ? fixedTimeoutMistakesPerHour({ ...path, timeoutMs: lateMs })
          : chenQos({ ...path, shiftMs: delay.meanMs + lateMs }).mistakesPerHour;
      const detector = (now: number) => {
        if (kind === "fixed") return new FixedTimeoutDetector({ timeoutMs: lateMs }, now);
        if (kind === "NFD-E")
          return new NfdEDetector({ intervalMs, marginMs: lateMs, samples: 1000 }, now);
        if (kind === "NFD-S")
          return new NfdSDetector({ intervalMs, shiftMs: delay.meanMs + lateMs, epoch: 0 });
        return new NfdUDetector({ intervalMs, marginMs: lateMs, firstExpectedAt: delay.meanMs });
      };
      const { qos } = simulateDetector({ ...path, seed: 5, heartbeats: 2_000_000, detector });
      console.log(
        `${name} (${kind}): predicted ${predicted.toFixed(2)}, simulated ${qos.mistakesPerHour.toFixed(2)} an hour (${qos.mistakes})`,
      );
      expect(qos.mistakes).toBeGreaterThan(30);
      expect(qos.mistakesPerHour / predicted).toBeGreaterThan(0.5);
      expect(qos.mistakesPerHour / predicted).toBeLessThan(2);
    });
  }
});

it("a stall of the monitor itself causes no false alarm", () => {
  const intervalMs = 100;
  const monitorStalls = { perHour: 60, length: constantDelay(2000) };
  const detector = (now: number): NfdEDetector =>
    new NfdEDetector({ intervalMs, marginMs: 150 }, now);
  const { qos } = simulateDetector({
    intervalMs,
    delay: exponentialDelay(5, 1),
    seed: 3,
    heartbeats: 500_000,
    monitorStalls,
    detector,
  });
  expect(qos.mistakes).toBe(0);
});

it("a stall of the sender causes a false alarm for every timeout shorter than the stall", () => {
  const intervalMs = 100;
  const senderStalls = { perHour: 20, length: constantDelay(1000) };
  const run = (marginMs: number): number =>
    simulateDetector({
      intervalMs,
      delay: exponentialDelay(5, 1),
      seed: 3,
      heartbeats: 500_000,
      senderStalls,
      detector: (now) => new NfdEDetector({ intervalMs, marginMs, samples: 1000 }, now),
    }).qos.mistakesPerHour;
  expect(run(500) / 20).toBeGreaterThan(0.8);
  expect(run(500) / 20).toBeLessThan(1.2);
  expect(run(1100)).toBe(0);
});
