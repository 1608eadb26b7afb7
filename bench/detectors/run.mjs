// Mistakes against detection time for every detector and the lower bound: `npm run
// bench:detectors`. See README.md beside this file.
import { mkdirSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { detectorCurves } from "../../dist/lab/detector-curves.js";
import { detectorSvg } from "../../dist/lab/html/detector-chart.js";
import { boundAt } from "../../dist/lab/lower-bound.js";
import { SCENARIOS } from "../../dist/lab/scenario.js";
import { machine } from "../machine.mjs";
import { recordedScenario } from "./trace.mjs";

const { values } = parseArgs({
  options: {
    heartbeats: { type: "string", default: "2000000" },
    seed: { type: "string", default: "1" },
    out: { type: "string" },
    trace: { type: "string", multiple: true },
    interval: { type: "string", default: "100" },
  },
});
// With --trace FILE (more than once if you like) on recordings instead, whose heartbeats are
// --interval ms apart.
const [heartbeats, seed] = [Number(values.heartbeats), Number(values.seed)];
const out = values.out ?? new URL("./results/", import.meta.url).pathname;
mkdirSync(out, { recursive: true });

const scenarios = values.trace
  ? values.trace.map((file) => recordedScenario(file, Number(values.interval)))
  : SCENARIOS;
for (const scenario of scenarios) {
  const started = performance.now();
  const curves = detectorCurves(scenario, { heartbeats, steps: 20, seed });
  const tookMs = performance.now() - started;
  const { id, title, intervalMs } = scenario;
  const beats = scenario.recorded?.length ?? heartbeats;
  writeFileSync(
    `${out}/${id}.json`,
    `${JSON.stringify({ id, title, intervalMs, heartbeats: beats, seed, machine, curves }, null, 1)}\n`,
  );
  writeFileSync(`${out}/${id}.svg`, detectorSvg(scenario, curves));
  console.log(
    `\n${title} (${beats} heartbeats a point, seed ${seed}, ${(tookMs / 1000).toFixed(1)} s)`,
  );
  console.log(
    `${"".padEnd(16)}detection time, and false alarms an hour as a multiple of the lower bound there`,
  );
  const [bound, ...others] = curves;
  for (const { name, points } of others)
    console.log(
      `${name.padEnd(16)}${points
        .map((point) => against(point, bound))
        .filter(Boolean)
        .join("  ")}`,
    );
}

/** How many times as often as it must. */
function against({ detectionMs, mistakesPerHour }, bound) {
  const least = boundAt(bound, detectionMs);
  return least === null
    ? null
    : `${Math.round(detectionMs)}:${(mistakesPerHour / least).toFixed(2)}`;
}
