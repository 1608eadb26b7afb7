import { describe, expect, it } from "vitest";
import { type Answered, PathDelay, windowOfLate } from "../../../src/core/judge/path-delay.ts";
import { type PeerGroup, PeerGroups } from "../../../src/core/judge/peer-groups.ts";

const groups = new PeerGroups();
let address = 0;

/** Two peers on a route of their own. */
function route(): [near: PeerGroup, far: PeerGroup] {
  const local = `10.0.0.${address++}`;
  return [groups.join(local, "192.0.2.1"), groups.join(local, "192.0.2.2")];
}

/** An answer that came `lateMs` after what it answers left, exactly. */
function at(sentAt: number, lateMs: number): Answered {
  return { sentAt, lateMs, atMostMs: lateMs, isOfProbe: false };
}

describe("PathDelay", () => {
  it("believes what one connection saw for all to the same peer and of the same route", () => {
    const [near, far] = route();
    new PathDelay(near).answered(at(1000, 4000));
    expect(new PathDelay(near).lateMs).toBe(4000);
    expect(new PathDelay(far).lateMs).toBe(4000);
  });

  it("takes no far peer's round trip for a queue of the route", () => {
    const [near, far] = route();
    new PathDelay(far).answered(at(1000, 900), 800);
    expect(new PathDelay(far).lateMs).toBe(900);
    expect(new PathDelay(near).lateMs).toBe(0);
  });

  it("takes no answer for one from a shared queue that another one overtook", () => {
    const [near, far] = route();
    const [slow, quick] = [new PathDelay(far), new PathDelay(near)];
    quick.answered(at(9000, 0));
    slow.answered(at(5000, 6000));
    expect(new PathDelay(near).lateMs).toBe(0);
    expect(new PathDelay(far).lateMs).toBe(6000);
    // Its queue stays its own until it is empty, also when the quick one is silent.
    slow.answered(at(30_000, 6000));
    expect(new PathDelay(near).lateMs).toBe(0);
    slow.answered(at(60_000, 0));
    slow.answered(at(90_000, 6000));
    expect(new PathDelay(near).lateMs).toBe(6000);
  });

  it("tells one slow host from the others behind one address", () => {
    const [carrier] = route();
    const [slow, quick] = [new PathDelay(carrier), new PathDelay(carrier)];
    for (let now = 0; now < 60_000; now += 500) {
      quick.answered(at(now, 0));
      slow.answered(at(now - 8000, 8000));
    }
    // All fall silent at once, and the last answers to the slow host arrive.
    slow.answered(at(59_000, 8000));
    expect(slow.lateMs).toBe(8000);
    expect(quick.lateMs).toBe(0);
  });

  it("halves what this connection remembers with each prompt answer, and forgets it in the end", () => {
    const own = new PathDelay();
    own.cameLate(8000);
    own.answered(at(20_000, 0));
    expect(own.lateMs).toBe(4000);
    for (let now = 30_000; own.rememberedMs > 0; now += 1000) {
      expect(now).toBeLessThan(40_000);
      own.answered(at(now, 0));
    }
    expect(own.lateMs).toBe(0);
  });

  it("follows what others show at once, both ways", () => {
    const [near] = route();
    const [sibling, idle] = [new PathDelay(near), new PathDelay(near)];
    sibling.answered(at(1000, 8000));
    expect(idle.lateMs).toBe(8000);
    sibling.answered(at(20_000, 500));
    expect(idle.lateMs).toBe(500);
  });

  it("waits for an answer for two delays, since slow start may have doubled the queue", () => {
    expect(windowOfLate(5000)).toBeGreaterThanOrEqual(10_000);
  });
});
