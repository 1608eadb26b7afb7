import { describe, expect, it } from "vitest";
import { NfdEDetector } from "../../../src/core/detectors/nfd-e-detector.ts";
import { ProcessProof } from "../../../src/core/judge/process-proof.ts";

const BUDGET_MS = 10_000;

/**
 * Drives a proof in virtual time until `until`. A heartbeat sent at t is answered `answerMs(t)`
 * later, or never (`null`).
 */
function run(
  proof: ProcessProof,
  until: number,
  answerMs: (at: number) => number | null,
  bytesAt: (at: number) => boolean = () => false,
): { asked: number[]; silentAt: number | null } {
  const asked: number[] = [];
  let answerAt: number | null = null;
  for (let now = 0; now <= until; now += 5) {
    if (bytesAt(now)) proof.heard(now);
    if (answerAt !== null && now >= answerAt) {
      proof.answered(now);
      answerAt = null;
    }
    proof.next(now);
    if (proof.wantsHeartbeat && !proof.isAsking) {
      proof.asked(now);
      asked.push(now);
      const ms = answerMs(now);
      if (ms !== null) answerAt = now + ms;
    }
    if (proof.isSilentTooLong(now)) return { asked, silentAt: now };
  }
  return { asked, silentAt: null };
}

const paced = (): ProcessProof =>
  new ProcessProof(BUDGET_MS, 0, {
    intervalMs: 500,
    detector: new NfdEDetector({ intervalMs: 500, marginMs: 1000 }, 0),
  });

describe("the proof of a process", () => {
  it("sends heartbeats only to a quiet peer and ends with the budget, without a detector", () => {
    const { asked, silentAt } = run(new ProcessProof(BUDGET_MS, 0), 30_000, (at) =>
      at < 9000 ? 20 : null,
    );
    // The first one goes out early: whether this peer answers at all is not known yet
    expect(asked).toEqual([250, 4270, 8290, 12_310]);
    expect(silentAt).toBeGreaterThan(8310 + BUDGET_MS - 60);
    expect(silentAt).toBeLessThanOrEqual(8310 + BUDGET_MS);
  });

  it("sends heartbeats regularly and ends when the detector suspects, with a detector", () => {
    const { asked, silentAt } = run(paced(), 30_000, (at) => (at < 9000 ? 20 : null));
    expect(asked.slice(0, 4)).toEqual([0, 500, 1000, 1500]);
    // The heartbeat of 8500 was the last one answered. The answer to the next, of 9000, is expected
    // at 9020 and given 1000 ms.
    expect(silentAt).toBe(10_020);
  });

  it("never exceeds the budget, even with a detector", () => {
    const patient = new NfdEDetector({ intervalMs: 500, marginMs: 60_000 }, 0);
    const { silentAt } = run(
      new ProcessProof(BUDGET_MS, 0, { intervalMs: 500, detector: patient }),
      60_000,
      (at) => (at < 9000 ? 20 : null),
    );
    expect(silentAt).toBeLessThanOrEqual(8520 + BUDGET_MS);
  });

  it("numbers heartbeats by the clock, so late answers leave gaps and do not spoil the estimate", () => {
    const { asked, silentAt } = run(paced(), 60_000, (at) => (at % 5000 === 0 ? 900 : 20));
    expect(silentAt).toBeNull();
    expect(asked.filter((at) => at % 500 !== 0)).toEqual([]);
    expect(asked.length).toBeGreaterThan(100);
  });

  it("is refuted by any byte since the heartbeat, whatever the detector says", () => {
    const { silentAt } = run(
      paced(),
      9000,
      (at) => (at < 3000 ? 20 : null),
      (at) => at > 3000 && at % 700 === 0,
    );
    expect(silentAt).toBeNull();
  });

  it("moves its deadlines by the time this process stood still", () => {
    const proof = paced();
    run(proof, 5000, () => 20);
    proof.asked(5500);
    proof.stalled(15_500, 10_000);
    expect(proof.isSilentTooLong(15_500)).toBe(false);
    expect(proof.isSilentTooLong(17_100)).toBe(true);
  });

  it("gives the peer the full time to answer a heartbeat that was sent late", () => {
    const proof = new ProcessProof(BUDGET_MS, 0, null, true);
    expect(proof.next(11_700)).toBeGreaterThan(11_700);
    expect(proof.wantsHeartbeat).toBe(true);
    expect(proof.isSilentTooLong(11_700)).toBe(false);
    proof.asked(11_700);
    const dueAt = proof.next(11_700);
    expect(dueAt).toBeGreaterThan(11_700 + 0.6 * BUDGET_MS - 60);
    expect(dueAt).toBeLessThanOrEqual(11_700 + 0.6 * BUDGET_MS);
    expect({ before: proof.isSilentTooLong(dueAt - 1), due: proof.isSilentTooLong(dueAt) }).toEqual(
      { before: false, due: true },
    );
  });

  it("does not extend the deadline when a failed heartbeat is retried late", () => {
    const proof = new ProcessProof(BUDGET_MS, 0, null, true);
    let now = 4000;
    for (; !proof.isSilentTooLong(now); now += 400) {
      proof.next(now);
      if (!proof.wantsHeartbeat) continue;
      proof.asked(now);
      proof.failed(now, "NOAUTH");
    }
    expect(now).toBeLessThanOrEqual(BUDGET_MS + 400);
  });

  describe("of a peer that has answered no heartbeat yet", () => {
    it("proves nothing, and says so after a budget", () => {
      const proof = new ProcessProof(BUDGET_MS, 0);
      const { asked, silentAt } = run(proof, 10 * BUDGET_MS, () => null);
      expect({ asked, silentAt }).toEqual({ asked: [250], silentAt: null });
      const atMs = 250 + BUDGET_MS;
      expect([atMs - 1, atMs].map((at) => proof.isMute(at))).toEqual([false, true]);
    });

    it("counts from the first answer on, however late that comes", () => {
      const lateMs = 3 * BUDGET_MS;
      const proof = new ProcessProof(BUDGET_MS, 0);
      const { asked, silentAt } = run(proof, 10 * BUDGET_MS, (at) => (at === 250 ? lateMs : null));
      expect(asked).toHaveLength(2);
      expect(silentAt).toBeGreaterThan(250 + lateMs + BUDGET_MS - 60);
      expect(silentAt).toBeLessThanOrEqual(250 + lateMs + BUDGET_MS);
      expect(proof.isMute(silentAt ?? 0)).toBe(false);
    });

    it("proves nothing to a detector either", () => {
      expect(run(paced(), 3 * BUDGET_MS, () => null).silentAt).toBeNull();
    });

    it("counts from the first heartbeat on where the peer is bound to answer", () => {
      const proof = new ProcessProof(BUDGET_MS, 0, null, true);
      const { asked, silentAt } = run(proof, 10 * BUDGET_MS, () => null);
      expect(asked).toEqual([4000]);
      expect(silentAt).toBe(BUDGET_MS - 30);
    });

    it("is asked ever more rarely while it cannot be asked, and never more rarely than a quiet one", () => {
      const proof = new ProcessProof(BUDGET_MS, 0);
      const asked: number[] = [];
      for (let now = 0; now < 3 * BUDGET_MS; now += 10) {
        proof.next(now);
        if (!proof.wantsHeartbeat) continue;
        asked.push(now);
        proof.asked(now);
        proof.excused(now);
      }
      const pauses = asked.slice(1).map((at, index) => at - (asked[index] ?? 0));
      expect(pauses).toEqual([250, 500, 1000, 2000, 4000, 4000, 4000, 4000, 4000, 4000]);
      expect(proof.isMute(3 * BUDGET_MS)).toBe(false);
    });
  });
});
