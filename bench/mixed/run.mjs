// Mixed load with loss, watched and not: `node bench/mixed/run.mjs --for 30m --loss 5%`. See
// README.md beside this file.
import { count, duration, readSettings, share } from "../settings.mjs";
import { defectsOf, measureMixed } from "./measure.mjs";
import { tables } from "./tables.mjs";

const { json, settings } = readSettings({
  for: ["forMs", duration],
  loss: ["loss", share],
  "detect-within": ["detectWithinMs", duration],
  "ask-idle-for": ["askIdleForMs", duration],
  seed: ["seed", count],
});
const result = await measureMixed(settings, (line) => console.error(line));
console.log(json ? JSON.stringify(result, null, 1) : tables(result));
process.exitCode = defectsOf(result).some(([, found]) => found > 0) ? 1 : 0;
