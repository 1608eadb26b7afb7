/**
 * One twin, as the lab starts it: `node program.mjs TERMS`, the terms of its lanes as JSON. It says
 * one JSON object a line, with the lane's name: `step` (what came of it), `verdict` (of the watch),
 * `lost` (a connection that the program had not closed), `reset` (one that it had), `rule` (a server's, and when it ended an
 * idle client) and `done`.
 */
import { Lane } from "./lane.mjs";
import { brokers } from "./lanes/brokers.mjs";
import { mariadb } from "./lanes/mariadb.mjs";
import { postgres } from "./lanes/postgres.mjs";
import { redis } from "./lanes/redis.mjs";

const lanes = { ...postgres, ...mariadb, ...redis, ...brokers };
const terms = JSON.parse(process.argv[2]);

function say(event, more) {
  process.stdout.write(`${JSON.stringify({ event, ...more })}\n`);
}

process.stdin.on("close", () => process.exit(0)).resume();
say("lanes", { lanes: Object.keys(lanes) });
for (const [name, run] of Object.entries(lanes)) {
  const lane = new Lane(name, terms, say);
  run(lane).then(() => say("done", { lane: name, opened: lane.opened }));
}
