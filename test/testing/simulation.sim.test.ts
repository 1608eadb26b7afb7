import { describe, expect, it } from "vitest";
import {
  constantDelay,
  exponentialDelay,
  lognormalDelay,
  paretoDelay,
  uniformDelay,
} from "../../src/core/detectors/delay-law.ts";
import { NfdEDetector } from "../../src/core/detectors/nfd-e-detector.ts";
import { HeartbeatStream } from "../../src/testing/heartbeat-stream.ts";
import { LossProcess } from "../../src/testing/loss-process.ts";
import { type RecordedHeartbeat, RecordedStream } from "../../src/testing/recorded-stream.ts";
import { seededRandom } from "../../src/testing/seeded-random.ts";
import { simulateDetector } from "../../src/testing/simulate-detector.ts";

function longestGaps(
  options: { intervalMs: number; loss: number; count: number },
  limits: readonly number[],
): number[] {
  const stream = new HeartbeatStream({
    ...options,
    delay: constantDelay(0.05),
    transport: "tcp",
    seed: 3,
  });
  const counts = limits.map(() => 0);
  let before = 0;
  for (let i = 0; i < options.count; i++) {
    stream.next();
    const gap = stream.arrivedAt - before;
    before = stream.arrivedAt;
    limits.forEach((limit, at) => {
      if (gap > limit) counts[at] = (counts[at] as number) + 1;
    });
  }
  return counts.map((count) => count / options.count);
}

describe("heartbeats inside a TCP connection", () => {
  it("are late as often as measured on Linux 6.18, within a factor of 5", () => {
    // docs/internals/bounds.md#heartbeats-inside-tcp: share of heartbeats, one every 100 ms, that
    // come after a silence longer than the limit.
    const limits = [150, 250, 450];
    const measured: [number, (number | null)[]][] = [
      [0.01, [1.0e-2, 6.7e-5, null]],
      [0.05, [4.7e-2, 3.6e-3, 4.5e-4]],
      [0.1, [8.8e-2, 1.5e-2, 3.2e-3]],
    ];
    for (const [loss, row] of measured) {
      const simulated = longestGaps({ intervalMs: 100, loss, count: 1_000_000 }, limits);
      row.forEach((share, at) => {
        if (share === null) return;
        const ratio = (simulated[at] as number) / share;
        expect(
          ratio,
          `${loss * 100} % loss, silence over ${limits[at]} ms: simulated ${simulated[at]}, measured ${share}`,
        ).toBeGreaterThan(0.2);
        expect(
          ratio,
          `${loss * 100} % loss, silence over ${limits[at]} ms: simulated ${simulated[at]}, measured ${share}`,
        ).toBeLessThan(5);
      });
    }
  });

  it("fall silent for 1.65 to 2.5 times the length of an outage, as measured", () => {
    // docs/internals/bounds.md#heartbeats-inside-tcp: outages of 0.3, 1, 2 and 4 s made silences of
    // 0.75, 1.58, 3.25 and 6.64 s.
    for (const [outageMs, measuredMs] of [
      [300, 750],
      [1000, 1580],
      [2000, 3250],
      [4000, 6640],
    ] as const) {
      let longest = 0;
      for (let seed = 0; seed < 40; seed++) {
        const outages = { perHour: 3, length: constantDelay(outageMs) };
        const stream = new HeartbeatStream({
          intervalMs: 100,
          delay: constantDelay(0.05),
          transport: "tcp",
          seed,
          outages,
        });
        for (let i = 0, before = 0; i < 20_000; i++, before = stream.arrivedAt) {
          stream.next();
          longest = Math.max(longest, stream.arrivedAt - before);
        }
      }
      expect(longest / measuredMs, `outage of ${outageMs} ms`).toBeGreaterThan(0.9);
      expect(longest / measuredMs, `outage of ${outageMs} ms`).toBeLessThan(1.1);
    }
  });

  it("arrive in order and once each, whatever is lost", () => {
    const loss = { meanBurstMs: 300, burstShare: 0.1, lossBetween: 0.05 };
    const stream = new HeartbeatStream({
      intervalMs: 50,
      delay: exponentialDelay(20, 30),
      loss,
      transport: "tcp",
      seed: 9,
    });
    for (let i = 0, before = 0; i < 500_000; i++) {
      stream.next();
      // Three calls of expect() for each heartbeat would take seconds.
      if (stream.sequence !== i || stream.arrivedAt < before || stream.arrivedAt <= stream.sentAt)
        expect.fail(
          `heartbeat ${stream.sequence}, sent at ${stream.sentAt}, arrived as number ${i} at ${stream.arrivedAt}, behind ${before}`,
        );
      before = stream.arrivedAt;
    }
  });
});

describe("random losses and delays", () => {
  it("lose as much as the law says, in bursts of the length that the law says", () => {
    const process = new LossProcess(
      { meanBurstMs: 500, burstShare: 0.02, lossBetween: 0 },
      seededRandom(1),
    );
    let [lost, bursts, wasLost] = [0, 0, false];
    const count = 2_000_000;
    for (let i = 0; i < count; i++) {
      const isLost = process.isLost(i * 10);
      if (isLost) lost++;
      if (isLost && !wasLost) bursts++;
      wasLost = isLost;
    }
    expect(lost / count).toBeGreaterThan(0.018);
    expect(lost / count).toBeLessThan(0.022);
    expect((lost * 10) / bursts).toBeGreaterThan(470);
    expect((lost * 10) / bursts).toBeLessThan(540);
  });

  it("follow the mean, variance and tail of their delay law", () => {
    const laws = {
      exponential: exponentialDelay(10, 5),
      uniform: uniformDelay(3, 9),
      lognormal: lognormalDelay(10, 4, 0.8),
      pareto: paretoDelay(5, 20, 6),
    };
    for (const [name, law] of Object.entries(laws)) {
      const random = seededRandom(2);
      const count = 400_000;
      const middle = law.quantile(0.9);
      let [sum, squares, above] = [0, 0, 0];
      for (let i = 0; i < count; i++) {
        const delayMs = law.quantile(random());
        sum += delayMs;
        squares += (delayMs - law.meanMs) ** 2;
        if (delayMs > middle) above++;
      }
      expect(sum / count / law.meanMs, `${name}: mean`).toBeCloseTo(1, 2);
      expect(squares / count / law.variance, `${name}: variance`).toBeGreaterThan(0.93);
      expect(squares / count / law.variance, `${name}: variance`).toBeLessThan(1.07);
      expect(above / count, `${name}: tenth`).toBeCloseTo(0.1, 2);
      expect(law.tail(middle), `${name}: tail`).toBeCloseTo(0.1, 6);
    }
  });

  it("repeat with the same seed and differ with another", () => {
    const run = (seed: number) =>
      simulateDetector({
        intervalMs: 100,
        delay: exponentialDelay(10, 5),
        loss: 0.1,
        seed,
        heartbeats: 20_000,
        detector: (now) => new NfdEDetector({ intervalMs: 100, marginMs: 50 }, now),
      });
    expect(run(1)).toEqual(run(1));
    expect(run(1).qos.mistakes).not.toBe(run(2).qos.mistakes);
  });
});

it("simulates more than a million heartbeats a second", () => {
  const started = performance.now();
  const heartbeats = 2_000_000;
  const detector = (now: number): NfdEDetector =>
    new NfdEDetector({ intervalMs: 100, marginMs: 150 }, now);
  simulateDetector({
    intervalMs: 100,
    delay: exponentialDelay(40, 5),
    loss: 0.01,
    seed: 1,
    heartbeats,
    detector,
  });
  const perSecond = heartbeats / ((performance.now() - started) / 1000);
  console.log(`${(perSecond / 1e6).toFixed(1)} million heartbeats a second`);
  expect(perSecond).toBeGreaterThan(1e6);
});

describe("a recording", () => {
  const path = { intervalMs: 100, delay: exponentialDelay(20, 15), loss: 0.05, seed: 12 };
  const detector = (now: number): NfdEDetector =>
    new NfdEDetector({ intervalMs: 100, marginMs: 60 }, now);

  it("of a drawn path gives exactly the report of the drawn path", () => {
    const heartbeats = 20_000;
    const stream = new HeartbeatStream(path);
    const recorded: RecordedHeartbeat[] = [];
    do {
      stream.next();
      recorded.push({
        sequence: stream.sequence,
        sentAt: stream.sentAt,
        arrivedAt: stream.arrivedAt,
      });
    } while (stream.sequence < heartbeats);
    const drawn = simulateDetector({ ...path, heartbeats, detector });
    expect(drawn.qos.mistakes).toBeGreaterThan(100);
    expect(
      simulateDetector({
        intervalMs: 100,
        recorded: recorded.reverse(),
        seed: 1,
        heartbeats,
        detector,
      }),
    ).toEqual(drawn);
  });

  it("refuses to go past its last heartbeat, and to be empty", () => {
    const recorded = [{ sequence: 7, sentAt: 700, arrivedAt: 720 }];
    const stream = new RecordedStream(recorded);
    stream.next();
    expect(stream).toMatchObject({ sequence: 7, sentAt: 700, arrivedAt: 720, lastSequence: 7 });
    const refused = expect.objectContaining({ code: "ERR_OPTION_RANGE" });
    expect(() => stream.next()).toThrow(refused);
    expect(() => new RecordedStream([])).toThrow(refused);
  });
});
