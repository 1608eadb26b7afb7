import { CUT_FAULTS } from "./cut-faults.ts";
import type { Fault } from "./fault.ts";
import { FIELD_FAULTS } from "./field-faults.ts";
import { SURVIVED_FAULTS } from "./survived-faults.ts";
import { TOLD_FAULTS } from "./told-faults.ts";

/** Every fault of the lab, in the order of its report. */
export const FAULTS: readonly Fault[] = [
  ...CUT_FAULTS,
  ...TOLD_FAULTS,
  ...SURVIVED_FAULTS,
  ...FIELD_FAULTS,
];
