import { BertierDetector } from "../../../src/core/detectors/bertier-detector.ts";
import type { Detector } from "../../../src/core/detectors/detector.ts";
import { ExponentialAccrualDetector } from "../../../src/core/detectors/exponential-accrual-detector.ts";
import { FixedTimeoutDetector } from "../../../src/core/detectors/fixed-timeout-detector.ts";
import { NfdEDetector } from "../../../src/core/detectors/nfd-e-detector.ts";
import { NfdSDetector } from "../../../src/core/detectors/nfd-s-detector.ts";
import { NfdUDetector } from "../../../src/core/detectors/nfd-u-detector.ts";
import { PhiAccrualDetector } from "../../../src/core/detectors/phi-accrual-detector.ts";
import { TwoWindowDetector } from "../../../src/core/detectors/two-window-detector.ts";

/**
 * Makes every detector of core, for heartbeats every `intervalMs`. The first heartbeat is sent one
 * interval after `now`.
 */
export const everyDetector: Readonly<
  Record<string, (now: number, intervalMs: number) => Detector>
> = {
  "fixed timeout": (now, intervalMs) =>
    new FixedTimeoutDetector({ timeoutMs: 2.5 * intervalMs }, now),
  "NFD-S": (now, intervalMs) =>
    new NfdSDetector({ intervalMs, shiftMs: 1.5 * intervalMs, epoch: now + intervalMs }),
  "NFD-U": (now, intervalMs) =>
    new NfdUDetector({ intervalMs, marginMs: 1.5 * intervalMs, firstExpectedAt: now + intervalMs }),
  "NFD-E": (now, intervalMs) => new NfdEDetector({ intervalMs, marginMs: 1.5 * intervalMs }, now),
  Bertier: (now, intervalMs) => new BertierDetector({ intervalMs }, now),
  "phi accrual, normal": (now, intervalMs) => new PhiAccrualDetector({ intervalMs }, now),
  "phi accrual, logistic": (now, intervalMs) =>
    new PhiAccrualDetector({ intervalMs, law: "logistic", acceptablePauseMs: intervalMs }, now),
  "exponential accrual": (now, intervalMs) => new ExponentialAccrualDetector({ intervalMs }, now),
  "two windows": (now, intervalMs) =>
    new TwoWindowDetector({ intervalMs, marginMs: 1.5 * intervalMs }, now),
};
