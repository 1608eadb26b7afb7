import { describe, expect, it } from "vitest";
import { Answers, ORDINARY_ANSWERS } from "../../../src/core/judge/answers.ts";
import { PathLoss } from "../../../src/core/judge/path-loss.ts";
import { probeAnsweredAt } from "../../../src/core/judge/probe-answered.ts";
import { readingOf } from "../../../src/core/judge/reading.ts";
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
  for (let now = 0; now <= untilMs; now += 400) answers.observe(now, reading({ dataMs: 3 }), null);
  return answers;
}

/** A peer that answered two probes a second apart. */
function ordinary(): Answers {
  const answers = new Answers();
  for (const at of [1000, 2050]) answers.observe(at, reading({ ackMs: 0 }), at);
  return answers;
}

/** Two readings: 50 s apart, and what came in between. */
function answered(came: Partial<Record<"bare" | "data" | "delivered" | "sent", number>>): boolean {
  const { bare = 0, data = 0, delivered = 0, sent = delivered } = came;
  const counters = { segmentsIn: 10, dataSegmentsIn: 4, deliveredSegments: 5, dataSegmentsOut: 5 };
  const before = { ...reading({ dataMs: 300 }), ...counters };
  const now = {
    ...reading({ dataMs: 600, ackMs: 0 }),
    segmentsIn: 10 + bare + data,
    dataSegmentsIn: 4 + data,
    deliveredSegments: 5 + delivered,
    dataSegmentsOut: 5 + sent,
  };
  return probeAnsweredAt({ at: 0, info: before }, 50_000, now) !== null;
}

describe("an answer to a probe", () => {
  it("is a segment without data that acknowledges no data of ours", () => {
    expect(answered({ bare: 1 })).toBe(true);
    expect(answered({ bare: 2, data: 3, delivered: 1 })).toBe(true);
  });

  it("is not data that the peer repeats, even beside acknowledgments of ours", () => {
    expect(answered({ data: 1 })).toBe(false);
    expect(answered({ data: 3, bare: 1, delivered: 1 })).toBe(false);
    expect(answered({ data: 3, bare: 2, delivered: 2 })).toBe(false);
  });

  it("is not the late acknowledgment of data, nor a second one of what was sent twice", () => {
    expect(answered({ bare: 1, delivered: 1 })).toBe(false);
    expect(answered({ bare: 1, delivered: 0, sent: 1 })).toBe(false);
  });
});

describe("the answers of peers that are known to answer", () => {
  it("are shared, and what one connection sees says nothing of another", () => {
    const before = { spacingMs: ORDINARY_ANSWERS.spacingMs, doubt: ORDINARY_ANSWERS.doubt };
    ORDINARY_ANSWERS.observe(1000, reading({ ackMs: 0 }), 1000);
    ORDINARY_ANSWERS.observe(9000, reading({ ackMs: 0 }), 9000);
    const { spacingMs, doubt } = ORDINARY_ANSWERS;
    expect({ spacingMs, doubt }).toEqual(before);
  });
});

describe("an answer that data hides", () => {
  const before = { ...reading({ dataMs: 300 }), segmentsIn: 10, dataSegmentsIn: 4 };
  /** Two pieces of data that came later, and what came before them. */
  const hasAnswered = (bare: number, told: Partial<TcpInfo> = {}): boolean => {
    const info = { ...reading({ dataMs: 5 }), segmentsIn: 12 + bare, dataSegmentsIn: 6, ...told };
    const last = { at: 0, info: before, flow: "idle" } as const;
    return readingOf(50_000, info, last).since.hasAnswered;
  };

  it("is one if more segments without data came than may acknowledge ours", () => {
    expect(hasAnswered(1)).toBe(true);
    expect(hasAnswered(0)).toBe(false);
  });

  it("is not told from data where the kernel counts no segments (Linux < 4.6)", () => {
    expect(hasAnswered(1, { segmentsIn: undefined, dataSegmentsIn: undefined })).toBe(false);
  });
});

describe("probes of a closed window", () => {
  it("are answered about as often as they leave by a peer that answered one in three of them", () => {
    const answers = new Answers();
    for (const at of [1000, 7000]) answers.observe(at, reading({ ackMs: 0 }), at);
    expect(answers.areOrdinary).toBe(false);
    expect(answers.areAsOftenAs(2000)).toBe(true);
    expect(answers.areAsOftenAs(1900)).toBe(false);
    expect(answers.areAsOftenAs(0)).toBe(false); // no cap on backoff
  });
});

describe("unanswered probes", () => {
  it("are believed of a peer that answered two of them a second or two apart, not of one that answered one", () => {
    const answers = new Answers();
    answers.observe(1000, reading({ ackMs: 0 }), 1000);
    expect(answers.areBelieved).toBe(false);
    answers.observe(2050, reading({ ackMs: 0 }), 2050);
    expect({ areBelieved: answers.areBelieved, areOrdinary: answers.areOrdinary }).toEqual({
      areBelieved: true,
      areOrdinary: true,
    });
  });

  it("count only ten seconds apart for a peer that answers one in ten seconds", () => {
    const answers = new Answers();
    for (const at of [1000, 11_000, 21_000]) answers.observe(at, reading({ ackMs: 0 }), at);
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
    answers.observe(13_000, reading({ dataMs: 2600 }), null);
    expect({ areBelieved: answers.areBelieved, areOrdinary: answers.areOrdinary }).toEqual({
      areBelieved: true,
      areOrdinary: false,
    });
  });

  it("are not believed after a quiet second, until data came for ten more", () => {
    const answers = steadyUntil(12_000);
    answers.observe(14_000, reading({ dataMs: 2000 }), null);
    answers.observe(14_100, reading({ dataMs: 10 }), null);
    expect(answers.areBelieved).toBe(false);
    for (let now = 14_100; now <= 24_500; now += 400)
      answers.observe(now, reading({ dataMs: 5 }), null);
    expect(answers.areBelieved).toBe(true);
  });

  it("are believed again of a peer that left probes unanswered once its data came steadily for twice as long, each time", () => {
    const answers = steadyUntil(12_000);
    let now = 20_000;
    for (const neededMs of [20_000, 40_000, 80_000]) {
      answers.observe(now, reading({ dataMs: 4000 }), null);
      answers.passedOver({ probes: 1, isOutage: false }, null, new PathLoss());
      const from = now;
      for (; now < from + neededMs; now += 400) answers.observe(now, reading({ dataMs: 5 }), null);
      expect(answers.areBelieved).toBe(false);
      answers.observe(now, reading({ dataMs: 5 }), null);
      expect({ areBelieved: answers.areBelieved, areOrdinary: answers.areOrdinary }).toEqual({
        areBelieved: true,
        areOrdinary: false,
      });
      now += 5000;
    }
  });

  it("are no longer believed of a peer that left three unanswered while data passed", () => {
    const answers = ordinary();
    for (let i = 0; i < 3; i++)
      answers.passedOver({ probes: 1, isOutage: false }, null, new PathLoss());
    expect(answers.areBelieved).toBe(false);
  });

  it("are still believed where an outage that is survived explains them, once", () => {
    const answers = ordinary();
    const outage = { probes: 3, isOutage: true };
    answers.passedOver(outage, null, new PathLoss());
    expect({ areBelieved: answers.areBelieved, areSettled: answers.areSettled }).toEqual({
      areBelieved: true,
      areSettled: false,
    });
    answers.passedOver({ probes: 1, isOutage: true }, null, new PathLoss());
    expect(answers.areBelieved).toBe(false);

    const answering = ordinary();
    answering.passedOver(outage, null, new PathLoss());
    answering.observe(9000, reading({ ackMs: 0 }), 9000);
    answering.passedOver(outage, null, new PathLoss());
    expect(answering.areBelieved).toBe(true);
  });

  it("are still believed where the path loses that many", () => {
    const answers = ordinary();
    const loss = new PathLoss();
    loss.record({ attempts: 100, lost: 30, from: 0, to: 0 });
    for (let i = 0; i < 3; i++) answers.passedOver({ probes: 1, isOutage: false }, null, loss);
    expect(answers.areBelieved).toBe(true);
    for (let i = 0; i < 7; i++) answers.passedOver({ probes: 1, isOutage: false }, null, loss);
    expect(answers.areBelieved).toBe(false);
  });
});
