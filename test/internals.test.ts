import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { LossBelief } from "../src/core/judge/loss-belief.ts";
import {
  attemptsNeededBy,
  DEFAULT_FALSE_ALARMS_PER_YEAR,
  outlastingNeededBy,
  planProbes,
} from "../src/core/judge/probe-plan.ts";

const read = (path: string): string => readFileSync(new URL(`../${path}`, import.meta.url), "utf8");
const EVIDENCE = read("docs/internals/evidence.md");

/** What the pages call a belief, made as they say. */
const BELIEFS: Readonly<Record<string, LossBelief>> = {
  new: new LossBelief(),
  "short round trip": short(),
  "400 answered": experienced(400, Number.POSITIVE_INFINITY),
  "5 % lost of 2000": experienced(2000, 20),
  "10 %": experienced(2000, 10),
  "20 %": experienced(2000, 5),
};

function short(): LossBelief {
  const belief = new LossBelief();
  belief.isShort();
  return belief;
}

/** Of so many attempts one in `every` was lost. */
function experienced(attempts: number, every: number): LossBelief {
  const belief = new LossBelief();
  for (let i = 0; i < attempts; i++) belief.record(1, i % every === Math.floor(every / 2) ? 1 : 0);
  return belief;
}

/** The cells of the table below the line that contains `heading`, without its head. */
function tableAfter(heading: string): string[][] {
  const lines = EVIDENCE.slice(EVIDENCE.indexOf(heading)).split("\n");
  const first = lines.findIndex((line) => line.startsWith("|"));
  const length = lines.slice(first).findIndex((line) => !line.startsWith("|"));
  return lines.slice(first + 2, first + length).map((line) =>
    line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

it("docs/internals/evidence.md has the attempts that prove death as the code has them", () => {
  const computed = Object.entries(BELIEFS).map(([name, belief]) => {
    const idle = [1000, 2000].map((ms) =>
      attemptsNeededBy(belief, "idle", DEFAULT_FALSE_ALARMS_PER_YEAR, ms),
    );
    const others = (["in-flight", "blocked"] as const).map((flow) =>
      attemptsNeededBy(belief, flow, DEFAULT_FALSE_ALARMS_PER_YEAR, 0),
    );
    return [name, ...[...idle, ...others, outlastingNeededBy(belief)].map(String)];
  });
  expect(tableAfter("Attempts that prove death;")).toEqual(computed);
});

it("docs/internals/evidence.md has what fits into which budget as the code has it", () => {
  const cells = tableAfter("## What fits into which budget");
  const computed = cells.map(([label = ""]) => {
    const [, budget = "", name = ""] = /^(\d+), (.*)$/.exec(label) ?? [];
    const budgetMs = Number(budget);
    const loss = BELIEFS[name];
    if (!loss) throw new Error(`the page names a belief that this test does not know: ${name}`);
    const rtoMaxMs = Math.max(1000, budgetMs / 5);
    const terms = {
      budgetMs,
      loss,
      rtoMaxMs,
      answerWindowMs: 200,
      rtoMs: 204,
      falseAlarmsPerYear: DEFAULT_FALSE_ALARMS_PER_YEAR,
    };
    const { idleMs, idleWithinMs, inFlightWithinMs, closedWindowWithinMs } = planProbes(terms);
    return [
      label,
      ...[idleMs, idleWithinMs, inFlightWithinMs, closedWindowWithinMs ?? 0].map((ms) =>
        String(Math.ceil(ms)),
      ),
    ];
  });
  expect(cells.length).toBeGreaterThan(5);
  expect(cells).toEqual(computed);
});

it("docs/internals/evidence.md has a rule for every cause that the code gives, and for no other", () => {
  const [ended, exists] = ["## The rules", "| # | a connection that exists"].map((heading) =>
    causesOf(tableAfter(heading)),
  );
  expect(ended).toEqual(causesIn("src/core/cause/classify-ending.ts"));
  expect(exists).toEqual(
    [
      ...causesIn("src/core/cause/classify.ts"),
      ...causesIn("src/core/cause/classify-silent.ts"),
    ].sort(),
  );
});

it("the rules that comments cite by number are those of docs/internals/evidence.md", () => {
  const cited = [
    ...["blame-this-host", "classify-ending", "classify-silent"]
      .map((name) => read(`src/core/cause/${name}.ts`))
      .join("\n")
      .matchAll(/Rule (\d+) \(docs\/internals\/evidence\.md(#[\w-]+)\)/g),
  ];
  expect(cited.length).toBeGreaterThan(0);
  for (const [, number, anchor] of cited)
    expect(EVIDENCE).toMatch(new RegExp(`^\\| ${number} \\| \\[.*\\]\\(${anchor}\\)`, "m"));
});

function causesOf(rules: string[][]): string[] {
  return [
    ...new Set(rules.flatMap(([, , cell = ""]) => /^`([a-z-]+)`/.exec(cell)?.[1] ?? [])),
  ].sort();
}

/** What a file says as a cause: `cause: "healthy"`. */
function causesIn(path: string): string[] {
  return [
    ...new Set([...read(path).matchAll(/\bcause: "([a-z-]+)"/g)].map(([, cause = ""]) => cause)),
  ].sort();
}
