import { expect, it } from "vitest";
import { Comparison, TWINS } from "../../bench/mixed/comparison.mjs";

function step(lane: string, result: string, name = "count") {
  return { event: "step", lane, step: name, result, ms: 1 };
}

it("twins are compared step by step in each lane, whoever is ahead", () => {
  const comparison = new Comparison();
  for (const result of ["1", "2", "3"]) comparison.hear("watched", step("pg", result));
  comparison.hear("watched", step("mqtt", "1"));
  for (const result of ["1", "5"]) comparison.hear("alone", step("pg", result));
  comparison.hear("alone", step("mqtt", "1", "sum"));

  expect({ compared: comparison.compared, differing: comparison.differing }).toEqual({
    compared: 3,
    differing: 2,
  });
  expect(comparison.differences).toEqual([
    { lane: "pg", watched: { step: "count", result: "2" }, alone: { step: "count", result: "5" } },
    { lane: "mqtt", watched: { step: "count", result: "1" }, alone: { step: "sum", result: "1" } },
  ]);
});

it("twins have ended when both have begun and no lane runs", () => {
  const comparison = new Comparison();
  comparison.hear("watched", { event: "lanes", lanes: ["pg"] });
  expect(comparison.unfinished).toBeNull();
  comparison.hear("alone", { event: "lanes", lanes: ["pg"] });
  comparison.hear("watched", { event: "done", lane: "pg", opened: 3 });
  expect(comparison.unfinished).toEqual([{ twin: "alone", lane: "pg" }]);
  comparison.hear("alone", { event: "done", lane: "pg", opened: 4 });
  expect(comparison.unfinished).toEqual([]);
});

it("a suspicion is counted, and a verdict is kept with its cause", () => {
  const comparison = new Comparison();
  for (const verdict of ["suspect", "alive", "suspect", "overdue", "dead"])
    comparison.hear("watched", {
      event: "verdict",
      lane: "pg",
      verdict,
      cause: "peer-hung",
      why: [],
    });
  expect(comparison).toMatchObject({ suspicions: 2, overdue: 1 });
  expect(comparison.verdicts).toEqual([
    { lane: "pg", verdict: "dead", cause: "peer-hung", why: [] },
  ]);
});

it("lost connections and rules are kept with their twin", () => {
  const comparison = new Comparison();
  for (const twin of TWINS) {
    comparison.hear(twin, { event: "lost", lane: "pg", error: "reset" });
    comparison.hear(twin, { event: "rule", lane: "pg", rule: "timeout", afterMs: 1, isDue: false });
  }
  expect(comparison.lost).toEqual(TWINS.map((twin) => ({ twin, lane: "pg", error: "reset" })));
  expect(comparison.rules.map(({ twin, isDue }) => ({ twin, isDue }))).toEqual(
    TWINS.map((twin) => ({ twin, isDue: false })),
  );
});
