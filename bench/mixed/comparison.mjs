// What two twins said of a lane, side by side as it comes.

export const TWINS = /** @type {const} */ (["watched", "alone"]);
/** Of more than these the count alone is kept. */
const MOST_KEPT = 20;

/** The steps of a lane, which both twins take in the same order. */
class LaneComparison {
  compared = 0;
  differing = 0;
  longestMs = 0;
  #waiting = { watched: [], alone: [] };

  /** Returns the first pair that can be compared now and differs. */
  add(twin, { step, result, ms }) {
    this.longestMs = Math.max(this.longestMs, ms);
    this.#waiting[twin].push({ step, result });
    const [watched, alone] = TWINS.map((one) => this.#waiting[one]);
    if (watched.length === 0 || alone.length === 0) return null;
    this.compared++;
    const pair = { watched: watched.shift(), alone: alone.shift() };
    const isSame =
      pair.watched.step === pair.alone.step && pair.watched.result === pair.alone.result;
    if (isSame) return null;
    this.differing++;
    return pair;
  }
}

/** All that both twins say. */
export class Comparison {
  differences = [];
  verdicts = [];
  suspicions = 0;
  overdue = 0;
  lost = [];
  rules = [];
  /** @type {Map<string, LaneComparison>} */
  #lanes = new Map();
  #opened = new Map();
  #resets = { watched: new Map(), alone: new Map() };
  #unfinished = { watched: null, alone: null };

  /**
   * @param {"watched" | "alone"} twin
   * @param {any} said A line of its program.
   */
  hear(twin, { event, lane, ...more }) {
    if (event === "lanes") this.#unfinished[twin] = new Set(more.lanes);
    else if (event === "step") this.#hearStep(twin, lane, more);
    else if (event === "rule") this.rules.push({ twin, lane, ...more });
    else if (event === "reset")
      this.#resets[twin].set(lane, 1 + (this.#resets[twin].get(lane) ?? 0));
    else if (event === "lost") this.lost.push({ twin, lane, ...more });
    else if (event === "verdict") this.#hearVerdict(lane, more);
    else if (event === "done") {
      this.#unfinished[twin].delete(lane);
      if (twin === "watched") this.#opened.set(lane, more.opened);
    }
  }

  /** The lanes that still run; `null` where a twin has not begun. */
  get unfinished() {
    const parts = TWINS.map((twin) => [twin, this.#unfinished[twin]]);
    if (parts.some(([, lanes]) => lanes === null)) return null;
    return parts.flatMap(([twin, lanes]) => [...lanes].map((lane) => ({ twin, lane })));
  }

  get compared() {
    return this.#sum("compared");
  }

  get differing() {
    return this.#sum("differing");
  }

  /** A row for each lane. */
  get lanes() {
    return [...this.#lanes].map(([lane, { compared, differing, longestMs }]) => ({
      lane,
      connections: this.#opened.get(lane) ?? null,
      resets: TWINS.map((twin) => this.#resets[twin].get(lane) ?? 0),
      compared,
      differing,
      longestMs,
    }));
  }

  #hearStep(twin, lane, step) {
    const steps = this.#lanes.get(lane) ?? new LaneComparison();
    this.#lanes.set(lane, steps);
    const pair = steps.add(twin, step);
    if (pair && this.differences.length < MOST_KEPT) this.differences.push({ lane, ...pair });
  }

  #hearVerdict(lane, { verdict, cause, why }) {
    if (verdict === "suspect") this.suspicions++;
    else if (verdict === "overdue") this.overdue++;
    else if (verdict !== "alive") this.verdicts.push({ lane, verdict, cause, why });
  }

  #sum(name) {
    return [...this.#lanes.values()].reduce((sum, lane) => sum + lane[name], 0);
  }
}
