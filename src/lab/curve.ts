/** Mistakes against detection time, for one detector or for the bound. */
export interface Curve {
  readonly name: string;
  readonly isBound: boolean;
  readonly points: readonly CurvePoint[];
}

export interface CurvePoint {
  /** The detector's setting, in words. */
  readonly setting: string;
  /** Mean detection time of a peer that crashes right after sending a heartbeat that arrived. */
  readonly detectionMs: number;
  readonly mistakesPerHour: number;
  readonly mistakes: number;
}

/** Fewer mistakes than these say nothing about their rate. */
const FEWEST_MISTAKES = 10;

/** Returns the points with enough mistakes to know their rate. */
export function countable(points: readonly CurvePoint[]): CurvePoint[] {
  return points.filter(({ mistakes }) => mistakes >= FEWEST_MISTAKES);
}
