// What a bench is told on its command line.
import { parseArgs } from "node:util";
import { durationMs } from "../dist/core/time/duration.js";

/**
 * Returns the settings that the command line gives, and whether it wants JSON. Ends the process
 * where a reader returns `null`.
 *
 * @param {Record<string, [string, (text: string) => unknown]>} readers By option: the setting's
 *   name, and what reads it.
 * @param {string} [more] What else a wrong value must be told.
 */
export function readSettings(readers, more = "") {
  const options = Object.fromEntries(
    Object.keys(readers).map((name) => [name, { type: /** @type {const} */ ("string") }]),
  );
  const { json, ...values } = parseArgs({
    options: { ...options, json: { type: "boolean" } },
  }).values;
  const settings = Object.entries(values).map(([name, text]) => {
    const [setting, read] = readers[name];
    const value = read(`${text}`);
    if (value === null) refuse(name, text, more);
    return [setting, value];
  });
  return { json: json === true, settings: Object.fromEntries(settings) };
}

export function duration(text) {
  return durationMs(text);
}

export function share(text) {
  const [, amount] = /^(\d+(?:\.\d+)?)\s*%$/.exec(text) ?? [];
  return amount !== undefined && Number(amount) <= 100 ? Number(amount) / 100 : null;
}

export function count(text) {
  return /^[1-9]\d*$/.test(text) ? Number(text) : null;
}

function refuse(name, text, more) {
  console.error(
    `--${name} cannot be ${text}; durations carry a unit (2500ms, 5s), shares a percent sign${more}`,
  );
  process.exit(2);
}
