import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Attempts } from "../../../src/core/judge/attempts.ts";
import { PathLoss } from "../../../src/core/judge/path-loss.ts";
import { PathTiming } from "../../../src/core/judge/path-timing.ts";
import { planProbes } from "../../../src/core/judge/probe-plan.ts";
import { isLastWord, isProven, isProvenAtDeadline } from "../../../src/core/judge/proof.ts";
import type { Silence } from "../../../src/core/judge/silence.ts";

const BUDGET_MS = 10_000;
const OUTAGE_MS = 4000;
/** Attempts that prove death on an unknown path. */
const NEEDED = 7;
/** On a LAN the answer window is 200 ms. */
const WINDOW_MS = 200;

/**
 * The silence of an idle connection on an unknown path, with attempts at `at` and a reading
 * `lookMs` after the last one.
 */
function silence(at: readonly number[], lookMs: number, but: Partial<Silence> = {}): Silence {
  const timing = new PathTiming(BUDGET_MS, 2000);
  timing.learn({ state: "ESTABLISHED", rttMs: 0.2, rtoMs: 200 });
  const attempts = new Attempts(OUTAGE_MS);
  for (const [i, instant] of at.entries()) attempts.seen(i + 1, instant, instant);
  const now = (at.at(-1) ?? 0) + lookMs;
  attempts.settle(now, WINDOW_MS);
  const loss = new PathLoss();
  const plan = planProbes({
    budgetMs: BUDGET_MS,
    falseAlarmsPerYear: 0.01,
    answerWindowMs: WINDOW_MS,
    loss,
    rtoMs: 200,
    rtoMaxMs: 2000,
  });
  return {
    now,
    flow: "idle",
    attempts,
    timing,
    loss,
    plan,
    outageMs: OUTAGE_MS,
    budgetEnd: Number.POSITIVE_INFINITY,
    backoff: 0,
    heardAt: 0,
    progressAt: 0,
    standingBy: 0,
    isDeaf: false,
    isUnquestioned: false,
    isAwaitingNudge: false,
    hasNudgeFailed: false,
    nudgeDueAt: Number.POSITIVE_INFINITY,
    idleMs: 2000,
    routineMs: 2270,
    isHeardWithoutProgress: false,
    deadline: 10_000,
    isAnswerDue: lookMs >= WINDOW_MS,
    ...but,
  };
}

/**
 * The most that a plan for an unknown path needs: seven attempts, three of them after an outage of
 * 4 s that began with the first.
 */
const SPREAD = [1000, 2000, 3000, 4000, 5000, 5600, 6200];

describe("the silence of an idle connection", () => {
  it("proves death when neither loss nor a survived outage explains it", () => {
    const { plan } = silence(SPREAD, WINDOW_MS);
    expect(plan).toMatchObject({ attemptsNeeded: NEEDED, outlastingNeeded: 3 });
    expect(isProven(silence(SPREAD, WINDOW_MS), NEEDED)).toBe(true);
  });

  it("proves nothing while the answer to the last attempt may still come", () => {
    expect(isProven(silence(SPREAD, WINDOW_MS - 1), NEEDED)).toBe(false);
  });

  it("proves nothing with one attempt less", () => {
    expect(isProven(silence(SPREAD.toSpliced(1, 1), WINDOW_MS), NEEDED)).toBe(false);
  });

  it("proves nothing when one attempt less outlasts an outage", () => {
    expect(isProven(silence(SPREAD.with(4, 4999), WINDOW_MS), NEEDED)).toBe(false);
  });
});

describe("once the budget has ended", () => {
  it("fewer attempts need to outlast an outage", () => {
    const early = silence([1000, 1600, 2200, 2800, 3400, 5000, 5600], WINDOW_MS);
    expect({
      before: isProven(early, NEEDED),
      atDeadline: isProvenAtDeadline(early, NEEDED, false, true),
    }).toEqual({ before: false, atDeadline: true });
  });

  it("loss still has to be ruled out, unless the budget is to end the connection", () => {
    const few = silence([1000, 3000, 5000, 5600], WINDOW_MS);
    expect({
      wait: isProvenAtDeadline(few, NEEDED, false, true),
      end: isProvenAtDeadline(few, NEEDED, true, true),
    }).toEqual({ wait: false, end: true });
    expect(isProvenAtDeadline(silence([5000], WINDOW_MS), NEEDED, true, false)).toBe(false);
  });

  it("an attempt must outlast an outage, unless mustOutlastOutages is off", () => {
    const brief = silence([1000, 1600, 2200, 2800, 3400, 4000, 4600], WINDOW_MS);
    expect(isProvenAtDeadline(brief, NEEDED, false, true)).toBe(false);
    expect(isProvenAtDeadline(brief, NEEDED, false, false)).toBe(true);
    expect(isProvenAtDeadline(brief, NEEDED, true, true)).toBe(false);
  });

  it("no more attempts must outlast an outage than there was room for", () => {
    // Loss is known, so three attempts would have to outlast an outage. The budget had room for
    // one.
    const loss = new PathLoss();
    for (let i = 0; i < 20; i++) loss.record({ attempts: 10, lost: 1, from: 0, to: 0 });
    expect(
      isProvenAtDeadline(
        silence([1000, 1600, 2200, 2800, 3400, 4000, 5000], WINDOW_MS, { loss, deadline: 5100 }),
        NEEDED,
        false,
        true,
      ),
    ).toBe(true);
    expect(
      isProvenAtDeadline(
        silence([1000, 1600, 2200, 2800, 3400, 4000, 5000], WINDOW_MS, { loss, deadline: 9900 }),
        NEEDED,
        false,
        true,
      ),
    ).toBe(false);
  });

  it("whatever was proven before is still proven", () => {
    const gaps = fc.array(fc.integer({ min: 600, max: 2000 }), { minLength: 1, maxLength: 12 });
    let proven = 0;
    fc.assert(
      fc.property(gaps, fc.integer({ min: 0, max: 400 }), (gaps, lookMs) => {
        let at = 1000;
        const it = silence(
          gaps.map((gap) => {
            at += gap;
            return at;
          }),
          lookMs,
        );
        if (!isProven(it, NEEDED)) return;
        proven++;
        expect(isProvenAtDeadline(it, NEEDED, false, true)).toBe(true);
      }),
      { numRuns: 300 },
    );
    expect(proven).toBeGreaterThan(20);
  });
});

describe("a silence in flight", () => {
  /** Transmissions as the kernel spaces them: 1000 + 0, 200, 400, 800, 1600, 3200 and 5200 ms. */
  const SENT = [1000, 1200, 1400, 1800, 2600, 4200, 6200];
  const inFlight = { flow: "in-flight", backoff: 6, progressAt: 1000 } as const;
  const plan = { ...silence(SENT, 0).plan, outlastingNeeded: 1 };

  it("is proven by the kernel's backoff when this process stood still meanwhile", () => {
    const it = silence(SENT, WINDOW_MS, { ...inFlight, plan });
    expect(isProven(it, NEEDED)).toBe(true);
    it.attempts.shift(9000, it.now);
    expect(isProven(it, NEEDED)).toBe(true);
    expect(isProven({ ...it, backoff: 3 }, NEEDED)).toBe(false);
  });

  it("is not proven by backoff on an idle connection, which has none", () => {
    const it = silence(SENT, WINDOW_MS, { ...inFlight, plan, flow: "idle" });
    it.attempts.shift(9000, it.now);
    expect(isProven(it, NEEDED)).toBe(false);
  });
});

describe("the last attempt that can be judged", () => {
  /** The next retransmission leaves 1600 ms after this one, at 7800, and is judged 50 ms later. */
  const waiting = { flow: "in-flight", backoff: 3 } as const;
  const sent = (but: Partial<Silence>): Silence =>
    silence([6200], 0.1 * BUDGET_MS, { ...waiting, ...but });

  it("is this one when the kernel's next attempt comes too late for the budget", () => {
    expect(isLastWord(sent({ deadline: 7850 }), BUDGET_MS)).toBe(false);
    expect(isLastWord(sent({ deadline: 7849 }), BUDGET_MS)).toBe(true);
  });

  it("gives its answer more time than a window, since the round trip may have become longer", () => {
    const it = sent({ deadline: 7849 });
    expect(isLastWord({ ...it, now: 6200 + 0.1 * BUDGET_MS - 1 }, BUDGET_MS)).toBe(false);
  });

  it("is not this one while an answer may come, nor when no retransmission is due", () => {
    expect(isLastWord(sent({ deadline: 7849, isAnswerDue: false }), BUDGET_MS)).toBe(false);
    expect(isLastWord(sent({ deadline: 7849, flow: "idle" }), BUDGET_MS)).toBe(false);
  });
});
