/**
 * The smallest budget that has room for two verdicts and an attempt between them at every phase of
 * the surveys (test/guard/engine.sim.test.ts).
 */
export const SMALLEST_GUARD_BUDGET_MS = 5000;
