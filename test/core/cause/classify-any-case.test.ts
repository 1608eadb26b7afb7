import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { classify } from "../../../src/core/cause/classify.ts";
import type { Cause } from "../../../src/core/diagnosis.ts";
import { anyCase } from "./any-case.ts";

const HARMLESS = new Set<Cause>([
  "connecting",
  "healthy",
  "quiet",
  "local-stall",
  "never-closed",
  "peer-not-reading",
  "lossy-path",
]);
/** Causes that this host alone can be sure of. */
const CERTAIN_OF_SILENCE = new Set<Cause>(["local-link-down", "local-send-failure"]);

describe("whatever the evidence", () => {
  it("says why, in plain words", () => {
    fc.assert(
      fc.property(anyCase, (it) => {
        const { why, unknown } = classify(it);
        expect(why.length).toBeGreaterThan(0);
        for (const line of [...why, ...unknown]) expect(line).not.toMatch(/undefined|null|NaN/);
      }),
      { numRuns: 1000 },
    );
  });

  it("finds a harmless cause for a live connection, and only for a live one", () => {
    fc.assert(
      fc.property(anyCase, (it) => {
        const { cause } = classify(it);
        const isConnecting = it.info?.state === "SYN_SENT";
        expect({ cause, isHarmless: HARMLESS.has(cause) }).toEqual({
          cause,
          isHarmless: isConnecting || it.state === "alive",
        });
      }),
      { numRuns: 1000 },
    );
  });

  it("is certain of a silence only where this host itself fails", () => {
    fc.assert(
      fc.property(anyCase, (it) => {
        const { cause, certainty } = classify(it);
        if (it.state === "alive" || cause === "connecting") return;
        if (certainty === "certain") expect(CERTAIN_OF_SILENCE).toContain(cause);
      }),
      { numRuns: 1000 },
    );
  });
});
