/**
 * `node --import halfopen/auto app.js`: watches every TCP and TLS socket that an unchanged program
 * opens or accepts. Settings come from the environment. See docs/auto.md, also for the cost.
 */
import { autoOptionsOf } from "./auto-options.ts";
import { reportDeath } from "./death-report.ts";
import { watchAll } from "./watch-all.ts";

const { logsJson, ...options } = autoOptionsOf(process.env);

watchAll(options).on("dead", (diagnosis) => reportDeath(diagnosis, options.onDead, logsJson));
