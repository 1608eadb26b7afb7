import { leastMistakesPerHour } from "../core/detectors/silence-bound.ts";
import { openStream } from "../testing/simulate-detector.ts";
import { type Curve, type CurvePoint, countable } from "./curve.ts";
import { pathOf, type Scenario, sentOf, targetsMs } from "./scenario.ts";

/** The bound is a staircase of exponentials, so its hull needs many points. */
const BOUND_STEPS = 280;

/**
 * Returns the fewest mistakes that any detector makes at a mean detection time.
 *
 * For one fixed time the number is exact for datagrams. In TCP no formula is exact, so the arrivals
 * are counted. A detector may wait longer after one heartbeat than after another and so mix two
 * times, hence the convex hull.
 *
 * In TCP and on real paths earlier arrivals hint at later ones, so a detector with a memory can do
 * better. There the curve is a yardstick only.
 */
export function lowerBound(scenario: Scenario, heartbeats: number, seed: number): Curve {
  const { intervalMs, delay, loss } = scenario;
  const hours = (sentOf(scenario, heartbeats) * intervalMs) / 3_600_000;
  const times = targetsMs(scenario, BOUND_STEPS);

  const mistakesPerHour =
    scenario.transport !== "datagram"
      ? silences(scenario, heartbeats, seed, times).map((count) => count / hours)
      : times.map((detectWithinMs) =>
          leastMistakesPerHour({ detectWithinMs, intervalMs, delay, loss }),
        );

  const points = times.map((detectionMs, at): CurvePoint => {
    const perHour = mistakesPerHour[at] ?? 0;
    const setting = `suspected ${Math.round(detectionMs)} ms after the last sending`;
    return {
      setting,
      detectionMs,
      mistakesPerHour: perHour,
      mistakes: Math.round(perHour * hours),
    };
  });

  const name = scenario.transport === "datagram" ? "lower bound" : "bound without memory";
  return {
    name,
    isBound: true,
    points: lowerHull(countable(points)),
  };
}

/** Returns the bound at a detection time, or `null` beyond the ends of its curve. */
export function boundAt(bound: Curve, detectionMs: number): number | null {
  const at = bound.points.findIndex((point) => point.detectionMs >= detectionMs);
  const [low, high] = [bound.points[at - 1], bound.points[at]];
  if (!low || !high) return null;

  const share = (detectionMs - low.detectionMs) / (high.detectionMs - low.detectionMs);
  return low.mistakesPerHour + share * (high.mistakesPerHour - low.mistakesPerHour);
}

/**
 * Counts, for each time, the heartbeats that arrived within that time after their sending while the
 * next newer one arrived later than it.
 */
function silences(
  scenario: Scenario,
  heartbeats: number,
  seed: number,
  times: readonly number[],
): number[] {
  const counts = times.map(() => 0);
  const least = times[0] ?? 0;
  const stream = openStream(pathOf(scenario, seed));
  const last = sentOf(scenario, heartbeats);

  let [newest, sentAt, arrivedAt] = [-1, 0, 0];
  while (newest < last) {
    stream.next();
    if (stream.sequence <= newest) continue;

    const silentMs = stream.arrivedAt - sentAt;
    if (newest >= 0 && silentMs > least) {
      const ownMs = arrivedAt - sentAt;
      times.forEach((time, at) => {
        if (ownMs <= time && time < silentMs) counts[at] = (counts[at] ?? 0) + 1;
      });
    }

    [newest, sentAt, arrivedAt] = [stream.sequence, stream.sentAt, stream.arrivedAt];
  }

  return counts;
}

/** Andrew's monotone chain, lower half. `points` are sorted by detection time. */
function lowerHull(points: readonly CurvePoint[]): CurvePoint[] {
  const hull: CurvePoint[] = [];
  for (const point of points) {
    for (;;) {
      const [before, last] = hull.slice(-2);
      if (!before || !last) break;

      const slopeTo = (to: CurvePoint): number =>
        (to.mistakesPerHour - before.mistakesPerHour) / (to.detectionMs - before.detectionMs);
      if (slopeTo(last) < slopeTo(point)) break;
      hull.pop();
    }
    hull.push(point);
  }
  return hull;
}
