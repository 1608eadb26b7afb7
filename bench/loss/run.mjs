// One run of the loss bench with settings of one's own: `node bench/loss/run.mjs --detect-within
// 2500ms --loss 10% --for 250s`.
import { count, duration, readSettings, share } from "../settings.mjs";
import { DEFAULTS, measureLoss, TRAFFICS } from "./measure.mjs";
import { falseAlarmTable, print, runTable } from "./tables.mjs";

/** @type {Record<string, [string, (text: string) => unknown]>} */
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

const { json, settings } = readSettings(READERS, `, --traffic is ${TRAFFICS.join(", ")}`);
const run = await measureLoss({ ...DEFAULTS, ...settings });
if (json) console.log(JSON.stringify(run, null, 1));
else {
  print(runTable(run));
  if (run.falseAlarms.length > 0) {
    console.log();
    print(falseAlarmTable(run));
  }
}

function trafficOf(text) {
  return TRAFFICS.includes(text) ? text : null;
}
