import { createInterface } from "node:readline";
import type { WireSettings } from "./network.ts";
import { openWire } from "./wire.ts";

/** `wire-process LEFT RIGHT SETTINGS`: joins two interfaces of this namespace; further settings come as JSON lines. */
const [, , left = "", right = "", settings = "{}"] = process.argv;
const wire = openWire(left, right, JSON.parse(settings) as WireSettings);
process.stdout.write("ready\n");
createInterface({ input: process.stdin })
  .on("line", (line) => wire.set(JSON.parse(line) as WireSettings))
  .on("close", () => process.exit(0));
