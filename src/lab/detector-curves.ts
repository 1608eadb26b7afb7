import { simulateDetector } from "../testing/simulate-detector.ts";
import { type Curve, type CurvePoint, countable } from "./curve.ts";
import { type DetectorSetting, detectorSettings } from "./detector-settings.ts";
import { lowerBound } from "./lower-bound.ts";
import { pathOf, type Scenario } from "./scenario.ts";

export interface CurveEffort {
  /** Heartbeats simulated for each point. */
  readonly heartbeats: number;
  /** Points of a detector's curve. */
  readonly steps: number;
  readonly seed: number;
}

/**
 * Returns mistakes against detection time on one path: first the bound that no detector can
 * undercut, then every detector. The same seed gives the same curves.
 */
export function detectorCurves(scenario: Scenario, effort: CurveEffort): Curve[] {
  const { heartbeats, steps, seed } = effort;
  const curves = Object.entries(detectorSettings(scenario, steps)).map(
    ([name, settings]): Curve => ({
      name,
      isBound: false,
      points: countable(settings.map((setting) => measure(scenario, setting, heartbeats, seed))),
    }),
  );

  return [
    lowerBound(scenario, heartbeats, seed),
    ...curves.filter(({ points }) => points.length > 0),
  ];
}

function measure(
  scenario: Scenario,
  { text, make }: DetectorSetting,
  heartbeats: number,
  seed: number,
): CurvePoint {
  const { detection, qos } = simulateDetector({
    ...pathOf(scenario, seed),
    heartbeats,
    detector: make,
  });
  return {
    setting: text,
    detectionMs: detection.meanMs,
    mistakesPerHour: qos.mistakesPerHour,
    mistakes: qos.mistakes,
  };
}
