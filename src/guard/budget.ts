/**
 * The smallest budget in which two verdicts and an attempt between them fit at every phase
 * (guard-engine.sim.test.ts).
 */
export const SMALLEST_GUARD_BUDGET_MS = 5000;
