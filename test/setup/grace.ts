import { Pressure } from "../../src/lab/pressure.ts";

const pressure = new Pressure();

/**
 * How much later than promised something may be seen in this test file: 250 ms, and up to a second
 * on a machine on which programs have had to wait for a processor since the file began.
 */
export function graceMs(): number {
  return pressure.graceMs;
}
