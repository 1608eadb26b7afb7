import { Pressure } from "../../src/lab/pressure.ts";

const pressure = new Pressure();

/**
 * How much later than promised something may be seen in this test file: 250 ms, and up to a second
 * on a machine on which programs have had to wait for a processor since the file began.
 */
export function graceMs(): number {
  return pressure.graceMs;
}

/** Whether programs have had to wait for a processor for a fifth of the time, or more. */
export function isMachineBusy(): boolean {
  return pressure.share > 0.2;
}
