import { expect, it } from "vitest";
import { LookUpBudget } from "../../src/watch/look-up-budget.ts";

const taken = (budget: LookUpBudget, now: number, tries: number): number =>
  Array.from({ length: tries }, () => budget.take(now)).filter(Boolean).length;

it("a budget of look-ups is used up at once, and grows again with time, up to its size", () => {
  const budget = new LookUpBudget(10, 50);
  expect(taken(budget, 1000, 100)).toBe(10);
  expect(taken(budget, 1040, 100)).toBe(0);
  expect(taken(budget, 1050, 100)).toBe(1);
  expect(taken(budget, 1250, 100)).toBe(4);
  expect(taken(budget, 60_000, 100)).toBe(10);
});
