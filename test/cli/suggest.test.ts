import { expect, test } from "vitest";
import { nearest, unknownWord } from "../../src/cli/suggest.ts";

const known = ["lab", "plan", "predict", "audit", "cable-pulled", "cable-pulled-here"];

test.each([
  ["lba", "lab"],
  ["pan", "plan"],
  ["predcit", "predict"],
  ["cable", "cable-pulled"],
  ["xyzzyxyzzy", null],
])("%s suggests %s", (word, expected) => expect(nearest(word, known)).toBe(expected));

test("the message names the word, the guess and the known words", () =>
  expect(unknownWord("command", "adit", ["audit"])).toBe(
    'unknown command "adit"; did you mean "audit"? Known are audit',
  ));
