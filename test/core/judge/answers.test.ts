import { describe, expect, it } from "vitest";
import { Answers } from "../../../src/core/judge/answers.ts";
import { PathLoss } from "../../../src/core/judge/path-loss.ts";
import type { TcpInfo } from "../../../src/core/tcp-info.ts";

const LONG_AGO_MS = 3_600_000;

/**
 * Readings of a connection on which this program sends nothing, given as ages of what was heard
 * last.
 */
function reading({
  dataMs = LONG_AGO_MS,
  ackMs = dataMs,
}: {
  dataMs?: number;
  ackMs?: number;
}): TcpInfo {
  return {
    state: "ESTABLISHED",
    rttMs: 1,
    lastDataReceivedMs: dataMs,
    lastAckReceivedMs: ackMs,
    lastDataSentMs: LONG_AGO_MS,
    sendWindowBytes: 65_536,
  };
}

/** Data comes every 400 ms from 0 until `untilMs`, and is read as often. */
function steadyUntil(untilMs: number): Answers {
  const answers = new Answers();
  for (let now = 0; now <= untilMs; now += 400) answers.observe(now, reading({ dataMs: 3 }), false);
  return answers;
}

/** A peer that answered two probes a second apart. */
function ordinary(): Answers {
  const answers = new Answers();
  for (const at of [1000, 2050]) answers.observe(at, reading({ ackMs: 0 }), false);
  return answers;
}

describe("unanswered probes", () => {
  it("are believed of a peer that answered two of them a second or two apart, not of one that answered one", () => {
    const answers = new Answers();
    answers.observe(1000, reading({ ackMs: 0 }), false);
    expect(answers.areBelieved).toBe(false);
    answers.observe(2050, reading({ ackMs: 0 }), false);
    expect({ areBelieved: answers.areBelieved, areOrdinary: answers.areOrdinary }).toEqual({
      areBelieved: true,
      areOrdinary: true,
    });
  });

  it("count only ten seconds apart for a peer that answers one in ten seconds", () => {
    const answers = new Answers();
    for (const at of [1000, 11_000, 21_000]) answers.observe(at, reading({ ackMs: 0 }), false);
    expect({
      areBelieved: answers.areBelieved,
      spacingMs: answers.spacingMs,
      dueAt: answers.dueAt(0),
    }).toEqual({
      areBelieved: false,
      spacingMs: 10_000,
      dueAt: 31_000,
    });
  });

  it("are believed of a peer whose data came for ten seconds without a quiet second, though it is not ordinary", () => {
    expect(steadyUntil(9600).areBelieved).toBe(false);
    const answers = steadyUntil(10_400);
    answers.observe(13_000, reading({ dataMs: 2600 }), false);
    expect({ areBelieved: answers.areBelieved, areOrdinary: answers.areOrdinary }).toEqual({
      areBelieved: true,
      areOrdinary: false,
    });
  });

  it("are not believed after a quiet second, until data came for ten more", () => {
    const answers = steadyUntil(12_000);
    answers.observe(14_000, reading({ dataMs: 2000 }), false);
    answers.observe(14_100, reading({ dataMs: 10 }), false);
    expect(answers.areBelieved).toBe(false);
    for (let now = 14_100; now <= 24_500; now += 400)
      answers.observe(now, reading({ dataMs: 5 }), false);
    expect(answers.areBelieved).toBe(true);
  });

  it("are never believed again of a peer that left probes unanswered and then sent data", () => {
    const answers = steadyUntil(12_000);
    answers.passedOver(1, null, new PathLoss());
    for (let now = 20_000; now <= 60_000; now += 400)
      answers.observe(now, reading({ dataMs: 5 }), false);
    expect(answers.areBelieved).toBe(false);
  });

  it("are no longer believed of a peer that left three unanswered while data passed", () => {
    const answers = ordinary();
    for (let i = 0; i < 3; i++) answers.passedOver(1, null, new PathLoss());
    expect(answers.areBelieved).toBe(false);
  });

  it("are still believed where the path loses that many", () => {
    const answers = ordinary();
    const loss = new PathLoss();
    loss.record({ attempts: 100, lost: 30, from: 0, to: 0 });
    for (let i = 0; i < 3; i++) answers.passedOver(1, null, loss);
    expect(answers.areBelieved).toBe(true);
    for (let i = 0; i < 7; i++) answers.passedOver(1, null, loss);
    expect(answers.areBelieved).toBe(false);
  });
});
