import { readFileSync } from "node:fs";
import fc from "fast-check";
import { expect, it } from "vitest";
import { classify } from "../../../src/core/cause/classify.ts";
import { classifyEnding } from "../../../src/core/cause/classify-ending.ts";
import type { Cause, Certainty } from "../../../src/core/diagnosis.ts";
import { anyCase, anyEnding } from "./any-case.ts";

const PAGE = readFileSync(new URL("../../../docs/diagnosis.md", import.meta.url), "utf8");
const ORDER: readonly Certainty[] = ["medium", "high", "certain"];

/** Every cause. One that is missing does not compile. */
const CAUSES = Object.keys({
  healthy: 0,
  quiet: 0,
  connecting: 0,
  "path-silent": 0,
  "peer-reset": 0,
  "peer-hung": 0,
  "peer-not-reading": 0,
  "one-way-loss": 0,
  "mtu-black-hole": 0,
  unreachable: 0,
  "local-link-down": 0,
  "local-send-failure": 0,
  "lossy-path": 0,
  "closed-by-peer": 0,
  "closed-locally": 0,
  "never-closed": 0,
  "local-stall": 0,
} satisfies Record<Cause, 0>);

/** The rows of "What else could explain it": cause, greatest certainty, other explanations. */
const ROWS = PAGE.slice(PAGE.indexOf("## What else could explain it"))
  .split("\n")
  .filter((line) => line.startsWith("| `"))
  .map((line) =>
    line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );

/** The greatest certainty with which the code finds each cause, among many cases of any kind. */
function greatest(): Map<string, Certainty> {
  const found = new Map<string, Certainty>();
  const see = ({ cause, certainty }: { cause: Cause; certainty: Certainty }): void => {
    const before = found.get(cause);
    if (!before || ORDER.indexOf(certainty) > ORDER.indexOf(before)) found.set(cause, certainty);
  };
  fc.assert(
    fc.property(anyCase, anyEnding, (it, ending) => {
      see(classify(it));
      see(classifyEnding(ending));
    }),
    { numRuns: 20_000, seed: 19 },
  );
  return found;
}

it("docs/diagnosis.md says for every cause how certain it can be, as the code has it", () => {
  const page = ROWS.map(([cause = "", certainty = ""]) => [cause.replaceAll("`", ""), certainty]);
  expect(page.map(([cause]) => cause)).toEqual(CAUSES);
  const found = greatest();
  expect(page).toEqual(CAUSES.map((cause) => [cause, found.get(cause)]));
});

it("docs/diagnosis.md says of every cause that is not certain what else could explain it", () => {
  for (const [cause, certainty, other = ""] of ROWS)
    if (certainty !== "certain") expect(other, cause).toMatch(/\w{4}/);
});
