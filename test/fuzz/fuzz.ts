import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const SCRIPT = fileURLToPath(new URL("../../scripts/fuzz.mjs", import.meta.url));

/** The first seed of a run. */
export const SEED: number = Number(process.env.HALFOPEN_SEED ?? 20_261_129);

/** Runs the fuzzer and returns what it found. The fuzzer ends with 1 when that is something. */
export async function fuzz(...argv: string[]) {
  const { stdout } = await promisify(execFile)(process.execPath, [SCRIPT, "--json", ...argv], {
    maxBuffer: 2 ** 28,
  }).catch((error: { stdout?: string; stderr?: string }) => {
    if (!error.stdout) throw new Error(error.stderr);
    return { stdout: error.stdout };
  });
  return JSON.parse(stdout);
}
