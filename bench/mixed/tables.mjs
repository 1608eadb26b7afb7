// The figures of a run in words.
import { table } from "../clients/tables.mjs";
import { percent } from "../loss/tables.mjs";
import { defectsOf } from "./measure.mjs";

const seconds = (ms) => `${(ms / 1000).toFixed(1)} s`;

export function tables(result) {
  const {
    forMs,
    seed,
    packets,
    compared,
    suspicions,
    overdue,
    resets,
    detectWithinMs,
    lanes,
    rules,
  } = result;
  const whole = table(
    ["", "measured"],
    [
      ["load, seed", `${seconds(forMs)}, ${seed}`],
      ["packets, lost of them", `${packets.passed + packets.lost}, ${percent(lossOf(packets))}`],
      ["steps compared", `${compared}`],
      ["suspicions, those that outlasted the budget", `${suspicions}, ${overdue}`],
      ["resets by servers whose rule for idle clients held", `${resets.length}`],
      ...defectsOf(result).map(([what, found]) => [`**${what}**`, `**${found}**`]),
    ],
  );
  const byLane = table(
    ["client", "connections watched", "steps compared", "longest, in budgets"],
    lanes.map(({ lane, connections, compared: steps, longestMs }) => [
      lane,
      connections ?? "not ended",
      steps,
      (longestMs / detectWithinMs).toFixed(1),
    ]),
  );
  const byRule = table(
    ["client", "rule", "alone: held", "after", "watched: held", "after"],
    rules.map(({ lane, rule, alone, watched }) => [lane, rule, ...held(alone), ...held(watched)]),
  );
  const found = foundIn(result);
  return [whole, byLane, byRule, ...(found.length > 0 ? [found.join("\n")] : [])].join("\n\n");
}

function lossOf({ passed, lost }) {
  return lost / (passed + lost);
}

function held({ held: times, firstMs, lastMs }) {
  return [times, times === 0 ? "-" : `${seconds(firstMs)} to ${seconds(lastMs)}`];
}

function foundIn({ differences, ended, lost, unfinished, defeated }) {
  return [...differences, ...ended, ...lost, ...unfinished, ...defeated].map((one) =>
    JSON.stringify(one),
  );
}
