import { BertierDetector } from "../core/detectors/bertier-detector.ts";
import type { Detector } from "../core/detectors/detector.ts";
import { ExponentialAccrualDetector } from "../core/detectors/exponential-accrual-detector.ts";
import { FixedTimeoutDetector } from "../core/detectors/fixed-timeout-detector.ts";
import { NfdEDetector } from "../core/detectors/nfd-e-detector.ts";
import { NfdSDetector } from "../core/detectors/nfd-s-detector.ts";
import { NfdUDetector } from "../core/detectors/nfd-u-detector.ts";
import { PhiAccrualDetector } from "../core/detectors/phi-accrual-detector.ts";
import { TwoWindowDetector } from "../core/detectors/two-window-detector.ts";
import { type Scenario, targetsMs } from "./scenario.ts";

/** One setting of a detector: its words for the chart, and the detector. */
export interface DetectorSetting {
  readonly text: string;
  readonly make: (now: number) => Detector;
}

/** Returns `steps` settings of every detector, by its name; Bertier's has one only. */
export function detectorSettings(
  scenario: Scenario,
  steps: number,
): Record<string, DetectorSetting[]> {
  const { intervalMs, delay } = scenario;
  const by = (make: (detectionMs: number, now: number) => Detector): DetectorSetting[] =>
    targetsMs(scenario, steps).map((detectionMs) => ({
      text: `aimed at ${Math.round(detectionMs)} ms`,
      make: (now) => make(detectionMs, now),
    }));

  const levels = (
    from: number,
    to: number,
    make: (threshold: number, now: number) => Detector,
  ): DetectorSetting[] =>
    Array.from({ length: steps }, (_, i) => from * (to / from) ** (i / (steps - 1))).map(
      (threshold) => ({
        text: `threshold ${threshold.toPrecision(3)}`,
        make: (now) => make(threshold, now),
      }),
    );

  const margin = (detectionMs: number): number =>
    Math.max(0, detectionMs - intervalMs - delay.meanMs);

  return {
    "fixed timeout": by(
      (ms, now) => new FixedTimeoutDetector({ timeoutMs: ms - delay.meanMs }, now),
    ),
    "NFD-S": by((ms) => new NfdSDetector({ intervalMs, shiftMs: ms - intervalMs, epoch: 0 })),
    "NFD-U": by(
      (ms) => new NfdUDetector({ intervalMs, marginMs: margin(ms), firstExpectedAt: delay.meanMs }),
    ),
    "NFD-E": by(
      (ms, now) => new NfdEDetector({ intervalMs, marginMs: margin(ms), samples: 1000 }, now),
    ),
    "two windows": by(
      (ms, now) => new TwoWindowDetector({ intervalMs, marginMs: margin(ms) }, now),
    ),
    Bertier: [
      { text: "its fixed settings", make: (now) => new BertierDetector({ intervalMs }, now) },
    ],
    "phi, normal": levels(
      2,
      300,
      (threshold, now) =>
        new PhiAccrualDetector({ intervalMs, threshold, leastDeviationMs: 1 }, now),
    ),
    "phi, logistic": levels(
      2,
      300,
      (threshold, now) =>
        new PhiAccrualDetector(
          { intervalMs, threshold, leastDeviationMs: 1, law: "logistic" },
          now,
        ),
    ),
    exponential: levels(
      0.5,
      10,
      (threshold, now) => new ExponentialAccrualDetector({ intervalMs, threshold }, now),
    ),
  };
}
