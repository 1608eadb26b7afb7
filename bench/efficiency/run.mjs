// How near watch comes to what is possible: `npm run bench:efficiency`. See README.md beside this
// file.
import { mkdirSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import * as core from "../../dist/core/index.js";
import { FAULTS } from "../../dist/lab/faults.js";
import { watchPlan } from "../../dist/lab/predicted.js";
import { runLab } from "../../dist/lab/run-lab.js";
import { simulateDetector } from "../../dist/testing/index.js";
import { machine } from "../machine.mjs";

const { values } = parseArgs({
  options: {
    budget: { type: "string", default: "5000" },
    rounds: { type: "string", default: "3" },
    out: { type: "string" },
  },
});
const [budgetMs, rounds] = [Number(values.budget), Number(values.rounds)];
const outageMs = core.OUTAGE_SHARE * budgetMs;
const loss = 0.01;
const { idleMs } = watchPlan(budgetMs);

/**
 * The routine asks every `everyMs`; an outage may begin in front of the first question that stays
 * unanswered, and must be survived.
 */
const boundMs = (everyMs, ageMs) => everyMs + outageMs - Math.min(ageMs, everyMs);

const rows = [...(await measured()), ...simulated()];
const out = values.out ?? new URL("./results/", import.meta.url).pathname;
mkdirSync(out, { recursive: true });
writeFileSync(
  `${out}/efficiency.json`,
  `${JSON.stringify({ budgetMs, outageMs, idleMs, rounds, machine, rows }, null, 1)}\n`,
);
console.log(
  `budget ${budgetMs} ms, outages of ${outageMs} ms survived, a question every ${idleMs} ms while idle`,
);
console.log(
  "| | detection p50 | p99 | bound / detection p50 | p99 | from |\n|---|---|---|---|---|---|",
);
for (const { name, p50Ms, p99Ms, efficiency50, efficiency99, from } of rows)
  console.log(
    `| ${name} | ${Math.round(p50Ms)} ms | ${Math.round(p99Ms)} ms | ${share(efficiency50)} | ${share(efficiency99)} | ${from} |`,
  );

function share(efficiency) {
  return efficiency === null ? "" : efficiency.toFixed(2);
}

function quantile(sorted, p) {
  return sorted[Math.min(sorted.length - 1, Math.floor(p * sorted.length))];
}

/** Real connections in the lab: silent cuts of an open window, struck at a random phase. */
async function measured() {
  const faults = FAULTS.filter(
    ({ effect, role, causes }) =>
      effect === "cuts" && role === "sink" && causes.idle.includes("path-silent"),
  ).map(({ id }) => id);
  const cells = [];
  for (let round = 0; round < rounds; round++) {
    const report = await runLab({
      faults,
      mechanisms: ["keepalive+user-timeout", "heartbeat", "watch"],
      detectWithinMs: budgetMs,
      isQuick: true,
    });
    cells.push(...report.cells.filter(({ detectedMs }) => detectedMs !== null && detectedMs >= 0));
  }
  return ["watch", "heartbeat", "keepalive+user-timeout"].flatMap((mechanism) =>
    ["idle", "in-flight"].map((traffic) => {
      const own = cells.filter((cell) => cell.mechanism === mechanism && cell.traffic === traffic);
      return {
        ...quality(own, mechanism, traffic),
        name: `${mechanism}, ${traffic}`,
        from: `lab, ${own.length} connections`,
      };
    }),
  );
}

function quality(cells, mechanism, traffic) {
  const times = cells.map(({ detectedMs }) => detectedMs).sort((a, b) => a - b);
  const time = { p50Ms: quantile(times, 0.5), p99Ms: quantile(times, 0.99) };
  if (mechanism !== "watch") return { ...time, efficiency50: null, efficiency99: null };
  // In flight the program's own data asks all the time. Idle: the age of the last evidence when the
  // fault struck is what the verdict's silence has more.
  const ratios = cells.map(
    ({ detectedMs, diagnosis }) =>
      boundMs(traffic === "idle" ? idleMs : 0, Math.max(0, diagnosis.silentForMs - detectedMs)) /
      detectedMs,
  );
  ratios.sort((a, b) => b - a);
  return { ...time, efficiency50: quantile(ratios, 0.5), efficiency99: quantile(ratios, 0.99) };
}

/**
 * Every detector on heartbeats in TCP as often as watch asks: the tightest setting without a false
 * alarm over 300000 heartbeats and 1000 outages.
 */
function simulated() {
  const intervalMs = idleMs;
  const heartbeats = 300_000;
  const path = {
    intervalMs,
    delay: core.exponentialDelay(0.2, 0.1),
    loss,
    transport: /** @type {const} */ ("tcp"),
    seed: 1,
  };
  const outages = {
    perHour: (1000 * 3_600_000) / (heartbeats * intervalMs),
    length: core.constantDelay(outageMs),
  };
  const margin = (make) => ({ from: 0, to: 8 * budgetMs, make });
  const families = {
    "fixed timeout": margin(
      (ms, now) => new core.FixedTimeoutDetector({ timeoutMs: intervalMs + ms }, now),
    ),
    "NFD-S": margin((ms) => new core.NfdSDetector({ intervalMs, shiftMs: ms, epoch: 0 })),
    "NFD-E": margin(
      (ms, now) => new core.NfdEDetector({ intervalMs, marginMs: ms, samples: 1000 }, now),
    ),
    "two windows": margin(
      (ms, now) => new core.TwoWindowDetector({ intervalMs, marginMs: ms }, now),
    ),
    // By its pause, as Akka is set: no threshold up to 300 is patient enough.
    "phi, threshold 8": margin(
      (acceptablePauseMs, now) =>
        new core.PhiAccrualDetector({ intervalMs, acceptablePauseMs }, now),
    ),
    exponential: {
      from: 0.1,
      to: 30,
      make: (threshold, now) => new core.ExponentialAccrualDetector({ intervalMs, threshold }, now),
    },
  };
  return Object.entries(families).map(([name, family]) => {
    const run = (value) =>
      simulateDetector({
        ...path,
        outages,
        heartbeats,
        detector: (now) => family.make(value, now),
      });
    let [wrong, right] = [family.from, family.to];
    if (run(right).qos.mistakes > 0)
      return {
        name,
        p50Ms: Number.NaN,
        p99Ms: Number.NaN,
        efficiency50: null,
        efficiency99: null,
        from: "no setting without a false alarm",
      };
    for (let halving = 0; halving < 12; halving++) {
      const middle = (wrong + right) / 2;
      if (run(middle).qos.mistakes > 0) wrong = middle;
      else right = middle;
    }
    const { detection } = run(right);
    // The crash falls at a random phase between two heartbeats.
    const [p50Ms, p99Ms] = [detection.p50Ms - intervalMs / 2, detection.p99Ms - intervalMs / 100];
    const efficiency50 = boundMs(intervalMs, intervalMs / 2) / p50Ms;
    return {
      name,
      p50Ms,
      p99Ms,
      efficiency50,
      efficiency99: boundMs(intervalMs, intervalMs / 100) / p99Ms,
      from: "simulation",
    };
  });
}
