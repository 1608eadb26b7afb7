import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LossBelief, weightAmong } from "../../../src/core/judge/loss-belief.ts";
import { PathLoss } from "../../../src/core/judge/path-loss.ts";
import { PeerGroups } from "../../../src/core/judge/peer-groups.ts";
import { readingOf } from "../../../src/core/judge/reading.ts";
import { RetransmitLoss } from "../../../src/core/judge/retransmit-loss.ts";
import type { TcpInfo } from "../../../src/core/tcp-info.ts";
import { seededRandom } from "../../../src/testing/seeded-random.ts";
import { RecordedPath } from "./lossy-paths.ts";
import { watchModel } from "./watched-model.ts";

/** One false alarm in a million hours, with one silence a second. */
const ACCEPTED = 1e-6 / 3600;

/** Returns a belief after single attempts that were each lost with the chance `share`. */
function taughtBy(
  share: number,
  attempts: number,
  seed: number,
  belief = new LossBelief(),
): LossBelief {
  const random = seededRandom(seed);
  let lost = 0;
  for (let i = 0; i < attempts; i++) {
    if (random() < share) lost++;
    else {
      belief.record(lost + 1, lost);
      lost = 0;
    }
  }
  return belief;
}

describe("the belief about a path's losses", () => {
  it("needs as many attempts as the formula says for the accepted chance", () => {
    // With one lost among `answered` the product is 1 / binomial(answered + n, n).
    const missed = (answered: number, n: number): number => {
      let chance = 1;
      for (let i = 1; i <= n; i++) chance *= i / (answered + i);
      return chance;
    };
    fc.assert(
      fc.property(
        fc.integer({ min: 40, max: 200 }),
        fc.double({ min: 3, max: 14, noNaN: true }),
        (answered, nines) => {
          const n = new LossBelief(answered).attemptsNeeded(10 ** -nines);
          expect(missed(answered, n)).toBeLessThanOrEqual(10 ** -nines);
          if (n > 2) expect(missed(answered, n - 1)).toBeGreaterThan(10 ** -nines);
        },
      ),
    );
  });

  it("needs fewer attempts on a short path, but never fewer than two", () => {
    const short = new LossBelief();
    short.isShort();
    const needed = {
      unknown: new LossBelief().attemptsNeeded(ACCEPTED),
      short: short.attemptsNeeded(ACCEPTED),
    };
    expect(needed.short).toBeLessThan(needed.unknown);
    expect(short.attemptsNeeded(1)).toBe(2);
  });

  it("needs more attempts the more was lost, and at most sixty", () => {
    const needed = [0, 0.02, 0.1, 0.3, 0.6].map((share) =>
      taughtBy(share, 2000, 7).attemptsNeeded(ACCEPTED),
    );
    expect(needed).toEqual(needed.toSorted((a, b) => a - b));
    expect(new Set(needed).size).toBe(needed.length);
    expect(new LossBelief().attemptsNeeded(0)).toBe(60);
  });

  it("comes within a factor of two of the present loss, and forgets past loss", () => {
    fc.assert(
      fc.property(fc.double({ min: 0.05, max: 0.5, noNaN: true }), fc.nat(), (share, seed) => {
        const belief = taughtBy(share, 3000, seed);
        expect(belief.ratio).toBeGreaterThan(share / 2);
        expect(belief.ratio).toBeLessThan(2 * share);
        expect(taughtBy(0, 2000, seed, belief).ratio).toBeLessThan(0.01);
      }),
      { numRuns: 30 },
    );
  });

  it("follows a path that turns bad after a long clean past", () => {
    const belief = taughtBy(0, 100_000, 1);
    expect(belief).toMatchObject({ ratio: 0, isClean: true, isNotable: false });
    taughtBy(0.3, 300, 1, belief);
    expect(belief.ratio).toBeGreaterThan(0.15);
    expect(belief).toMatchObject({ isClean: false, isNotable: true });
  });

  it("leaves out an outage: more losses in a row than the known loss explains", () => {
    const belief = taughtBy(0, 1000, 1);
    belief.record(21, 20);
    expect(belief).toMatchObject({ ratio: 0, isNotable: false });
    expect({ two: belief.isOutage(2), three: belief.isOutage(3) }).toEqual({
      two: false,
      three: true,
    });
    const lossy = taughtBy(0.5, 2000, 1);
    expect({ three: lossy.isOutage(3), twenty: lossy.isOutage(20) }).toEqual({
      three: false,
      twenty: true,
    });
  });

  it("calls a path lossy after three separate losses, not after one stretch", () => {
    const losses = (count: number): LossBelief => {
      const belief = new LossBelief(30);
      for (let i = 0; i < count; i++) belief.record(2, 1);
      return belief;
    };
    // Earlier losses fade a little with each later one, so three count as a little less than three.
    expect({ two: losses(2).isNotable, four: losses(4).isNotable }).toEqual({
      two: false,
      four: true,
    });
    const stretch = new LossBelief(30);
    stretch.record(8, 4);
    expect(stretch.isNotable).toBe(false);
  });

  it("changes independently of its copy", () => {
    const first = taughtBy(0.1, 500, 3);
    const { ratio } = first;
    const copy = first.copy();
    expect(copy.ratio).toBe(ratio);
    taughtBy(0.6, 500, 3, copy);
    expect({ kept: first.ratio, moved: copy.ratio > 2 * ratio }).toEqual({
      kept: ratio,
      moved: true,
    });
  });

  it("weighs each attempt less the more connections share it", () => {
    expect([0, 1, 200, 400, 20_000].map(weightAmong)).toEqual([1, 1, 1, 0.5, 0.01]);
    const belief = taughtBy(0.2, 3000, 5);
    const { ratio } = belief;
    for (let i = 0; i < 100; i++) belief.record(1, 0, weightAmong(20_000));
    expect(belief.ratio).toBeGreaterThan(0.95 * ratio);
    const clean = taughtBy(0, 3000, 5);
    for (let i = 0; i < 100; i++) clean.record(2, 1, weightAmong(20_000));
    expect(clean.ratio).toBeLessThan(0.02);
  });
});

const lesson = (attempts: number, lost: number, at = 0) => ({ attempts, lost, from: at, to: at });

/** Records losses until the belief is that about a third of the attempts are lost. */
function teachLoss(loss: PathLoss): void {
  for (let i = 0; i < 60; i++) loss.record(lesson(3, 1, 1000 * i));
}

describe("the losses between a connection and its peer", () => {
  const groups = new PeerGroups();
  let peers = 0;
  const newPeer = (local = `10.0.0.${++peers}`) => groups.join(local, `192.0.2.${++peers}`);
  const needed = (loss: PathLoss): number => loss.attemptsNeeded(ACCEPTED);

  it("are shared by all connections to the same peer", () => {
    const peer = newPeer();
    const [one, other] = [new PathLoss(peer), new PathLoss(peer)];
    const before = needed(other);
    teachLoss(one);
    expect(needed(other)).toBeGreaterThan(before);
    expect(other).toMatchObject({ own: null, isNotable: false });
    expect(one.isNotable).toBe(true);
  });

  it("are not worse for other connections when one alone loses packets", () => {
    const peer = newPeer();
    const [unlucky, other] = [new PathLoss(peer), new PathLoss(peer)];
    teachLoss(unlucky);
    for (let i = 0; i < 2000; i++) other.record(lesson(1, 0));
    expect(needed(unlucky)).toBeGreaterThan(needed(other));
    expect(unlucky.ratio).toBeGreaterThan(10 * other.ratio);
  });

  it("start from the peer's when a connection loses for the first time itself", () => {
    const peer = newPeer();
    const [one, other] = [new PathLoss(peer), new PathLoss(peer)];
    teachLoss(one);
    other.record(lesson(2, 1));
    expect(other.own?.ratio).toBeGreaterThan(0.8 * peer.loss.ratio);
  });

  it("are at least as bad as the peer's for a connection that lost once itself", () => {
    const [peer, clean] = [newPeer("10.2.0.1"), new PathLoss(newPeer("10.2.0.1"))];
    const [one, other] = [new PathLoss(peer), new PathLoss(peer)];
    other.record(lesson(2, 1));
    teachLoss(one);
    // Many answered attempts elsewhere, so that our side does not count as losing.
    for (let i = 0; i < 4000; i++) clean.record(lesson(1, 0));
    expect(needed(other)).toBe(peer.loss.attemptsNeeded(ACCEPTED));
  });

  it("are those of all peers when our own side of the path loses", () => {
    const [losing, other] = [newPeer("10.1.0.1"), newPeer("10.1.0.1")];
    const elsewhere = new PathLoss(newPeer());
    const spared = new PathLoss(other);
    const before = needed(spared);
    teachLoss(new PathLoss(losing));
    expect(needed(spared)).toBeGreaterThan(before);
    expect(needed(elsewhere)).toBe(before);
    // Many answered attempts of the other peer: our side does not lose after all.
    for (let i = 0; i < 4000; i++) spared.record(lesson(1, 0));
    expect(needed(spared)).toBeLessThanOrEqual(before);
  });

  it("are fewer on a short path, even when the first round trip was an artefact", () => {
    for (const peer of [null, newPeer()]) {
      const loss = new PathLoss(peer);
      const before = needed(loss);
      loss.met(1000);
      loss.met(undefined);
      expect(needed(loss)).toBe(before);
      loss.met(0.2);
      expect(needed(loss)).toBeLessThan(before);
    }
  });

  it("go on from the connection's earlier belief", () => {
    const before = new PathLoss(newPeer());
    teachLoss(before);
    expect(new PathLoss(newPeer(), before.own).ratio).toBe(before.ratio);
  });

  it("do not explain a long silence on a path without loss", () => {
    const loss = new PathLoss(newPeer());
    expect({ two: loss.isOutage(2), five: loss.isOutage(5) }).toEqual({ two: false, five: true });
    teachLoss(loss);
    expect(loss.isOutage(5)).toBe(false);
  });
});

describe("losses of data in flight", () => {
  /**
   * Sends `segments`, of which `again` are repetitions, and lets the peer acknowledge what was sent
   * before. Returns what was recorded.
   */
  function learner(first: { segments: number; again: number } = { segments: 0, again: 0 }) {
    const retransmits = new RetransmitLoss();
    const learned: { attempts: number; lost: number }[] = [];
    const loss = {
      record: ({ attempts, lost }: { attempts: number; lost: number }) =>
        learned.push({ attempts, lost }),
    };
    let [segments, again] = [first.segments, first.again];
    const info = (dsackDuplicates: number): TcpInfo => ({
      state: "ESTABLISHED",
      dataSegmentsOut: segments,
      totalRetransmits: again,
      dsackDuplicates,
    });
    let last = readingOf(0, info(0), 0);
    retransmits.begin(last.info);
    return {
      isWaiting: () => retransmits.isWaiting(last.info),
      learned,
      sent(more: number, moreAgain: number): void {
        segments += more;
        again += moreAgain;
        last = readingOf(0, info(0), last);
      },
      acknowledged(dsackDuplicates = 0, isOutage = false): void {
        const reading = readingOf(0, info(dsackDuplicates), last);
        retransmits.acknowledged(loss as unknown as PathLoss, reading, 0, 0, isOutage);
      },
    };
  }

  it("are recorded with the acknowledgment after the one that resolves them", () => {
    const path = learner();
    path.sent(10, 2);
    expect(path.isWaiting()).toBe(true);
    path.acknowledged();
    expect(path.learned).toEqual([]);
    path.sent(1, 0);
    path.acknowledged();
    expect(path.learned).toEqual([{ attempts: 10, lost: 2 }]);
    path.sent(1, 0);
    path.acknowledged();
    expect(path.learned).toEqual([
      { attempts: 10, lost: 2 },
      { attempts: 1, lost: 0 },
    ]);
    expect(path.isWaiting()).toBe(false);
  });

  it("leave out segments that the peer got twice, reported at once or one round trip later", () => {
    const path = learner();
    path.sent(10, 2);
    path.acknowledged(1);
    path.sent(1, 0);
    path.acknowledged(2);
    expect(path.learned).toEqual([{ attempts: 10, lost: 0 }]);
  });

  it("use each such report once", () => {
    const path = learner();
    path.sent(10, 1);
    path.acknowledged(1);
    path.sent(10, 1);
    path.acknowledged(1);
    path.sent(1, 0);
    path.acknowledged(1);
    expect(path.learned).toEqual([
      { attempts: 10, lost: 0 },
      { attempts: 10, lost: 1 },
    ]);
  });

  it("are left out when they came before the first reading", () => {
    const path = learner({ segments: 500, again: 100 });
    expect(path.isWaiting()).toBe(false);
    path.sent(4, 0);
    path.acknowledged();
    path.sent(1, 0);
    path.acknowledged();
    expect(path.learned).toEqual([{ attempts: 4, lost: 0 }]);
  });

  it("are left out when an outage took them", () => {
    const path = learner();
    path.sent(9, 8);
    path.acknowledged(0, true);
    path.sent(1, 0);
    path.acknowledged();
    expect(path.learned).toEqual([{ attempts: 9, lost: 0 }]);
  });

  it("are never more than the segments sent", () => {
    const step = fc.record({
      more: fc.nat(5),
      again: fc.nat(5),
      duplicates: fc.nat(5),
      isOutage: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step), (steps) => {
        const path = learner();
        let [sent, lost, duplicates] = [0, 0, 0];
        for (const { more, again, duplicates: moreDuplicates, isOutage } of steps) {
          // A reading may show a repetition before its segment: more repetitions than segments.
          path.sent(more, again);
          duplicates += moreDuplicates;
          path.acknowledged(duplicates, isOutage);
          sent += more;
          lost += again;
        }
        const sum = (of: "attempts" | "lost"): number =>
          path.learned.reduce((all, one) => all + one[of], 0);
        expect(sum("attempts")).toBeLessThanOrEqual(sent);
        expect(sum("lost")).toBeLessThanOrEqual(lost);
        for (const { attempts, lost } of path.learned) {
          expect(lost).toBeGreaterThanOrEqual(0);
          expect(lost).toBeLessThanOrEqual(attempts);
        }
      }),
    );
  });
});

describe("what a connection learns of its path while it talks", () => {
  it("is the share that is lost: an acknowledgment of data is counted with that data, and once", () => {
    const share = 0.2;
    const seen = Array.from({ length: 12 }, (_, i) => {
      const path = new RecordedPath({ lossRatio: share, burstMs: 0 }, 10, 31 + i);
      const run = { budgetMs: 5000, path, untilMs: 300_000, isForgetful: true, writeEveryMs: 300 };
      return watchModel(run).judgement.loss.ratio;
    });
    const mean = seen.reduce((sum, ratio) => sum + ratio, 0) / seen.length;
    expect(mean).toBeGreaterThan(0.9 * share);
    expect(mean).toBeLessThan(1.1 * share);
  });
});
