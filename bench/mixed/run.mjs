// Mixed load with loss, watched and not: `node bench/mixed/run.mjs --for 30m --loss 5%`. See
// README.md beside this file.
import { mkdirSync, writeFileSync } from "node:fs";
import { versionsOf } from "../clients/versions.mjs";
import { machine } from "../machine.mjs";
import { count, duration, readSettings, share } from "../settings.mjs";
import { defectsOf, measureMixed } from "./measure.mjs";
import { tables } from "./tables.mjs";

const PACKAGES = new Set([
  "pg",
  "mysql2",
  "ioredis",
  "redis",
  "amqplib",
  "mqtt",
  "@nats-io/transport-node",
]);

const { json, settings } = readSettings({
  for: ["forMs", duration],
  loss: ["loss", share],
  "detect-within": ["detectWithinMs", duration],
  "ask-idle-for": ["askIdleForMs", duration],
  seed: ["seed", count],
  out: ["out", String],
});
const { out = new URL("./results/", import.meta.url).pathname, ...terms } = settings;
const result = await measureMixed(terms, (line) => console.error(line));
const text = JSON.stringify({ machine, versions: versionsOf(PACKAGES), ...result }, null, 1);
mkdirSync(out, { recursive: true });
writeFileSync(`${out}/mixed.json`, `${text}\n`);
writeFileSync(`${out}/mixed.md`, `${tables(result)}\n`);
console.log(json ? text : tables(result));
process.exitCode = defectsOf(result).some(([, found]) => found > 0) ? 1 : 0;
