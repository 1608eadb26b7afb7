// One run of the loss bench with settings of one's own: `node bench/loss/run.mjs --detect-within
// 2500ms --loss 10% --for 250s`.
import { parseArgs } from "node:util";
import { durationMs } from "../../dist/core/time/duration.js";
import { DEFAULTS, measureLoss, TRAFFICS } from "./measure.mjs";
import { falseAlarmTable, print, runTable } from "./tables.mjs";

const READERS = {
  "detect-within": ["detectWithinMs", duration],
  loss: ["loss", share],
  burst: ["burstMs", duration],
  delay: ["delayMs", duration],
  connections: ["connections", count],
  peers: ["peers", count],
  traffic: ["traffic", trafficOf],
  "talk-every": ["talkEveryMs", duration],
  "warm-up": ["warmUpMs", duration],
  for: ["forMs", duration],
  "find-within": ["findWithinMs", duration],
};

const options = Object.fromEntries(Object.keys(READERS).map((name) => [name, { type: "string" }]));
const { json, ...values } = parseArgs({
  options: { ...options, json: { type: "boolean" } },
}).values;
const settings = Object.fromEntries(
  Object.entries(values).map(([name, text]) => {
    const [setting, read] = READERS[name];
    return [setting, read(text) ?? refuse(name, text)];
  }),
);
const run = await measureLoss({ ...DEFAULTS, ...settings });
if (json) console.log(JSON.stringify(run, null, 1));
else {
  print(runTable(run));
  if (run.falseAlarms.length > 0) {
    console.log();
    print(falseAlarmTable(run));
  }
}

function duration(text) {
  return durationMs(text);
}

function share(text) {
  const [, amount] = /^(\d+(?:\.\d+)?)\s*%$/.exec(text) ?? [];
  return amount !== undefined && Number(amount) <= 100 ? Number(amount) / 100 : null;
}

function count(text) {
  return /^[1-9]\d*$/.test(text) ? Number(text) : null;
}

function trafficOf(text) {
  return TRAFFICS.includes(text) ? text : null;
}

function refuse(name, text) {
  console.error(
    `--${name} cannot be ${text}; durations carry a unit (2500ms, 5s), shares a percent sign, --traffic is ${TRAFFICS.join(", ")}`,
  );
  process.exit(2);
}
