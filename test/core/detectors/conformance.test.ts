import { describe, expect, it } from "vitest";
import type { Detector } from "../../../src/core/detectors/detector.ts";
import { FixedTimeoutDetector } from "../../../src/core/detectors/fixed-timeout-detector.ts";
import { detectorConformance } from "../../../src/testing/detector-conformance.ts";
import { everyDetector } from "./every-detector.ts";

for (const [name, make] of Object.entries(everyDetector)) {
  for (const intervalMs of [1, 100, 30_000]) {
    describe(`${name} with heartbeats every ${intervalMs} ms`, () => {
      const checks = detectorConformance({
        make: (now) => make(now, intervalMs),
        intervalMs,
        seed: 11,
      });
      for (const check of checks) it(check.name, check.run);
    });
  }
}

describe("the conformance suite finds", () => {
  const fixed = (now: number): FixedTimeoutDetector =>
    new FixedTimeoutDetector({ timeoutMs: 250 }, now);
  /** Makes a detector with one method replaced. */
  const flawed = (flaw: (inner: Detector) => Partial<Detector>) => (now: number) => {
    const inner = fixed(now);
    const plain: Detector = {
      heard: (at, sequence) => inner.heard(at, sequence),
      stalled: (at, gapMs) => inner.stalled(at, gapMs),
      nextDeadline: () => inner.nextDeadline(),
      verdict: (at) => inner.verdict(at),
    };
    return { ...plain, ...flaw(inner) };
  };
  const flaws: Record<string, (now: number) => Detector> = {
    "a detector that never suspects": flawed(() => ({ verdict: () => "alive" })),
    "a detector that always suspects": flawed(() => ({ verdict: () => "suspect" })),
    "a detector that trusts old heartbeats": (now) => {
      const inner = fixed(now);
      let count = 0;
      return flawed(() => ({ ...methods(inner), heard: (at: number) => inner.heard(at, count++) }))(
        now,
      );
    },
    "a detector that ignores stalls of its own process": flawed(() => ({ stalled: () => {} })),
    "a detector whose clock starts at 0": () => new FixedTimeoutDetector({ timeoutMs: 250 }, 0),
  };
  for (const [name, make] of Object.entries(flaws)) {
    it(name, () => {
      const problems = detectorConformance({ make, intervalMs: 100 }).filter(({ run }) => {
        try {
          run();
          return false;
        } catch {
          return true;
        }
      });
      expect(problems.length).toBeGreaterThan(0);
    });
  }
});

function methods(inner: Detector): Detector {
  return {
    heard: (at, sequence) => inner.heard(at, sequence),
    stalled: (at, gapMs) => inner.stalled(at, gapMs),
    nextDeadline: () => inner.nextDeadline(),
    verdict: (at) => inner.verdict(at),
  };
}
