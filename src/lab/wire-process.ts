import { createInterface } from "node:readline";
import { openWire, type WireSettings } from "./wire.ts";

/**
 * `wire-process LEFT RIGHT SETTINGS`: joins two interfaces of this namespace by a wire. Takes
 * further settings as JSON lines, and answers each with the counts of the wire.
 */
const [, , left = "", right = "", settings = "{}"] = process.argv;
const wire = openWire(left, right, JSON.parse(settings) as WireSettings);
process.stdout.write("ready\n");
createInterface({ input: process.stdin })
  .on("line", (line) => {
    wire.set(JSON.parse(line) as WireSettings);
    process.stdout.write(`${JSON.stringify(wire.counts())}\n`);
  })
  .on("close", () => process.exit(0));
