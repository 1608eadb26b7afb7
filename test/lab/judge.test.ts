import { describe, expect, it } from "vitest";
import type { Certainty, Diagnosis } from "../../src/core/diagnosis.ts";
import type { Fault } from "../../src/lab/fault.ts";
import { judge } from "../../src/lab/judge.ts";
import type { Track } from "../../src/lab/track.ts";
import { everyCell } from "./report-of.ts";

const BUDGET_MS = 5000;
const STRUCK_AT = 1000;
const SOMEBODY = everyCell().cells.find(({ diagnosis }) => diagnosis !== null)
  ?.diagnosis as Diagnosis;

const FAULT: Fault = {
  id: "some",
  title: "some fault",
  effect: "hides",
  network: {},
  role: "sink",
  traffics: ["idle"],
  causes: { idle: ["healthy"], "in-flight": [] },
  strike: async () => {},
};

function problem(
  fault: Partial<Fault>,
  { foundMs, unknown = [], certainty = "high" }: Told = {},
): string | null {
  const track: Track = {
    plan: { mechanism: "watch", traffic: "idle", family: 4, tls: false },
    connectedAt: 0,
    closedAt: null,
    deadAt: foundMs === undefined ? null : STRUCK_AT + foundMs,
    error: null,
    diagnosis: { ...SOMEBODY, cause: "healthy", certainty, unknown },
  };
  const observation = { struckAt: STRUCK_AT, budgetMs: BUDGET_MS, observedMs: 12_000 };
  return judge({ ...FAULT, ...fault }, track, observation).problem;
}

interface Told {
  readonly foundMs?: number;
  readonly unknown?: readonly string[];
  readonly certainty?: Certainty;
}

describe("the lab holds watch", () => {
  it("to silence about a peer that lives, or that something else answers for", () => {
    for (const effect of ["lives", "hides"] as const) {
      expect(problem({ effect })).toBeNull();
      expect(problem({ effect }, { foundMs: 3000 })).toMatch(/^false alarm after 3000 ms/);
    }
  });

  it("to a word of what it cannot know, where the fault leaves something open", () => {
    const doubt = /far end/;
    expect(problem({ doubt }, { unknown: ["whether the far end lives"] })).toBeNull();
    expect(problem({ doubt }, { unknown: ["something else"] })).toMatch(/without a word/);
    expect(
      problem({ doubt }, { unknown: ["whether the far end lives"], certainty: "certain" }),
    ).toMatch(/certain/);
  });

  it("to the time that a fault leaves it, and to none where it promises none", () => {
    const effect = "cuts";
    expect(problem({ effect }, { foundMs: 7000 })).toMatch(/later than/);
    expect(problem({ effect }, {})).toBe("never found");
    const later = { effect, foundWithinMs: (budgetMs: number) => 1.5 * budgetMs } as const;
    expect(problem(later, { foundMs: 7000 })).toBeNull();
    expect(problem(later, { foundMs: 8000 })).toMatch(/later than 7750 ms/);
    const none = { effect, foundWithinMs: () => null } as const;
    for (const told of [{}, { foundMs: 3000 }]) expect(problem(none, told)).toBeNull();
  });
});
