import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { UsageError } from "../../src/cli/command.ts";
import { formatDuration, parseDuration } from "../../src/cli/duration.ts";

describe("a duration on the command line", () => {
  test.each([
    ["5s", 5000],
    ["500ms", 500],
    ["1.5h", 5_400_000],
    ["2m", 120_000],
    ["2min", 120_000],
    ["1d", 86_400_000],
    ["0s", 0],
  ])("%s is %d ms", (text, ms) => expect(parseDuration(text, "--x")).toBe(ms));

  test.each(["", "s", "-5s", "5 s", "5S", "1e3s", "NaNs", "Infinitys", ".5s", "5s5s", "5w"])(
    "%j is refused",
    (text) => expect(() => parseDuration(text, "--x")).toThrow(UsageError),
  );

  test("a duration longer than any timer can wait is refused: the timer would fire at once, again and again", () => {
    expect(parseDuration("24d", "--x") + 3_600_000).toBeLessThan(2 ** 31);
    for (const text of ["600h", "25d", "99999999999999999999d"])
      expect(() => parseDuration(text, "--every")).toThrow(/--every takes at most 24d/);
  });

  test("a duration without a unit is refused, and the message suggests both units", () =>
    expect(() => parseDuration("5", "--detect-within")).toThrow(/--detect-within.*5s or 5ms/));

  test("any text gives a finite number of ms or a usage error", () =>
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          expect(Number.isFinite(parseDuration(text, "--x"))).toBe(true);
        } catch (error) {
          expect(error).toBeInstanceOf(UsageError);
        }
      }),
    ));
});

describe("a duration for people", () => {
  test.each([
    [null, "never"],
    [0, "0 ms"],
    [480, "480 ms"],
    [999.6, "1 s"],
    [4210, "4.21 s"],
    [5000, "5 s"],
    [59_999, "1 min"],
    [938_000, "15 min 38 s"],
    [7_260_000, "2 h 1 min"],
    [7_199_999, "2 h"],
    [90_000_000, "1 d 1 h"],
    [-1500, "-1.5 s"],
  ])("%d reads %s", (ms, text) => expect(formatDuration(ms)).toBe(text));
});
