import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { OtherConnections } from "../../../src/core/diagnosis.ts";
import { answeredInGroup, recordInGroup } from "../../../src/core/judge/group-loss.ts";
import {
  heardInGroup,
  markSilent,
  othersOf,
  type PeerGroup,
  PeerGroups,
} from "../../../src/core/judge/peer-groups.ts";

/** The instant of our first unanswered attempt. */
const SINCE = 5000;
const NONE = { alive: 0, silent: 0 };

/** Makes one connection to each of the peers named. */
function joined(...peers: string[]): { groups: PeerGroups; of: PeerGroup[] } {
  const groups = new PeerGroups();
  return { groups, of: peers.map((peer) => groups.join("10.0.0.1", peer)) };
}

describe("the state of the other connections", () => {
  it("is null when there are none", () => {
    const [only] = joined("192.0.2.1").of;
    expect(othersOf(only as PeerGroup, false, SINCE)).toBeNull();
  });

  it("counts connections to the same peer as alive when one was heard after our first unanswered attempt", () => {
    const [group] = joined("192.0.2.1", "192.0.2.1", "192.0.2.1").of as [PeerGroup];
    heardInGroup(group, SINCE);
    expect(othersOf(group, false, SINCE)).toMatchObject({ samePeer: NONE });
    heardInGroup(group, SINCE + 1);
    expect(othersOf(group, false, SINCE)).toEqual({
      samePeer: { alive: 2, silent: 0 },
      sameRoute: NONE,
    });
  });

  it("does not count our own silence among the others", () => {
    const [group] = joined("192.0.2.1", "192.0.2.1").of as [PeerGroup];
    markSilent(group, true);
    expect(othersOf(group, true, SINCE)).toMatchObject({ samePeer: { silent: 0 } });
    markSilent(group, true);
    expect(othersOf(group, true, SINCE)).toMatchObject({ samePeer: { silent: 1 } });
    markSilent(group, false);
    expect(othersOf(group, false, SINCE)).toMatchObject({ samePeer: { silent: 1 } });
  });

  it("counts a peer over the same route as silent when all its connections are", () => {
    const { of, groups } = joined("192.0.2.1", "192.0.2.2", "192.0.2.2");
    const [ours, theirs] = of as [PeerGroup, PeerGroup];
    markSilent(theirs, true);
    expect(othersOf(ours, false, SINCE)).toMatchObject({ sameRoute: { silent: 0 } });
    markSilent(theirs, true);
    expect(othersOf(ours, false, SINCE)).toMatchObject({ sameRoute: { silent: 1 } });
    expect(groups).toMatchObject({ size: 2, silent: 1 });
  });

  it("counts other peers as alive when one of them was heard since, not when only our peer was", () => {
    const [ours, theirs] = joined("192.0.2.1", "192.0.2.2").of as [PeerGroup, PeerGroup];
    heardInGroup(ours, SINCE + 100);
    expect(othersOf(ours, false, SINCE)).toMatchObject({ sameRoute: { alive: 0 } });
    heardInGroup(theirs, SINCE + 200);
    heardInGroup(ours, SINCE + 300);
    expect(othersOf(ours, false, SINCE)).toMatchObject({ sameRoute: { alive: 1 } });
    expect(othersOf(ours, false, SINCE + 200)).toMatchObject({ sameRoute: { alive: 0 } });
  });

  it("leaves out connections from another of our addresses", () => {
    const groups = new PeerGroups();
    const ours = groups.join("10.0.0.1", "192.0.2.1");
    heardInGroup(groups.join("10.0.0.2", "192.0.2.1"), SINCE + 1);
    expect(othersOf(ours, false, SINCE)).toBeNull();
  });

  it("counts dead connections as silent until the peer is heard again", () => {
    const { groups, of } = joined("192.0.2.1", "192.0.2.1");
    const [group] = of as [PeerGroup];
    for (let i = 0; i < 2; i++) markSilent(group, true);
    groups.leave(group, true, true);
    expect(othersOf(group, true, SINCE)).toMatchObject({ samePeer: { alive: 0, silent: 1 } });
    heardInGroup(group, SINCE + 1);
    expect(othersOf(group, true, SINCE)).toBeNull();
  });
});

/** Counts the same in the plain way, from a list of connections. */
class Ledger {
  readonly groups: PeerGroups = new PeerGroups();
  readonly connections: { peer: string; group: PeerGroup; isSilent: boolean }[] = [];

  join(peer: string): void {
    this.connections.push({ peer, group: this.groups.join("10.0.0.1", peer), isSilent: false });
  }

  leave(nth: number): void {
    const [gone] = this.connections.splice(nth, 1);
    if (gone) this.groups.leave(gone.group, gone.isSilent);
  }

  turn(nth: number): void {
    const connection = this.connections[nth];
    if (!connection) return;
    connection.isSilent = !connection.isSilent;
    markSilent(connection.group, connection.isSilent);
  }

  get peers(): string[] {
    return [...new Set(this.connections.map(({ peer }) => peer))];
  }

  isPeerSilent(name: string): boolean {
    return this.connections.every(({ peer, isSilent }) => peer !== name || isSilent);
  }

  othersOf(nth: number): OtherConnections | null {
    const one = this.connections[nth];
    const others = this.connections.filter((other) => other !== one && other.peer === one?.peer);
    const otherPeers = this.peers.filter((peer) => peer !== one?.peer);
    if (others.length + otherPeers.length === 0) return null;
    return {
      samePeer: { alive: 0, silent: others.filter(({ isSilent }) => isSilent).length },
      sameRoute: { alive: 0, silent: otherPeers.filter((peer) => this.isPeerSilent(peer)).length },
    };
  }
}

it("the counts agree with a list of connections that come, go and fall silent", () => {
  const step = fc.record({
    do: fc.constantFrom("join", "leave", "turn"),
    peer: fc.constantFrom("a", "b", "c"),
    nth: fc.nat(9),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const ledger = new Ledger();
      for (const { do: what, peer, nth } of steps) {
        if (what === "join") ledger.join(peer);
        else ledger[what](nth);
        const { groups, peers } = ledger;
        expect(groups).toMatchObject({
          size: peers.length,
          silent: peers.filter((name) => ledger.isPeerSilent(name)).length,
        });
        for (const [i, { group, isSilent }] of ledger.connections.entries())
          expect(othersOf(group, isSilent, SINCE)).toEqual(ledger.othersOf(i));
      }
    }),
  );
});

describe("a group's belief about losses", () => {
  const lossOf = (groups: PeerGroups, peer: string): number =>
    groups.join("10.0.0.1", peer).loss.ratio;

  it("is kept for a peer that lost something and comes back", () => {
    const groups = new PeerGroups();
    const group = groups.join("10.0.0.1", "192.0.2.1");
    recordInGroup(group, { attempts: 20, lost: 2, from: 0, to: 0 });
    const { ratio } = group.loss;
    groups.leave(group, false);
    expect(groups.size).toBe(0);
    expect({ back: lossOf(groups, "192.0.2.1"), other: lossOf(groups, "192.0.2.2") }).toEqual({
      back: ratio,
      other: 0,
    });
  });

  it("counts one outage once, however many connections lost something in it", () => {
    const lossAfter = (from: number, to: number): number => {
      const [group] = joined("192.0.2.1", "192.0.2.1").of as [PeerGroup];
      heardInGroup(group, 1000);
      heardInGroup(group, 3000);
      for (let i = 0; i < 10; i++) recordInGroup(group, { attempts: 2, lost: 1, from, to });
      return group.loss.ratio;
    };
    const inOutage = lossAfter(1100, 2900);
    const before = lossAfter(100, 500);
    expect(inOutage).toBeLessThan(before / 3);
  });

  it("weighs an answered attempt less the more connections there are", () => {
    const lost = (connections: number): number => {
      const [group] = joined(...Array<string>(connections).fill("192.0.2.1")).of as [PeerGroup];
      for (let i = 0; i < 5; i++)
        recordInGroup(group, { attempts: 2 * connections, lost: connections / 5, from: 0, to: 0 });
      const { ratio } = group.loss;
      answeredInGroup(group, 200);
      return group.loss.ratio / ratio;
    };
    expect(lost(2000)).toBeGreaterThan(0.8);
    expect(lost(5)).toBeLessThan(0.6);
  });
});
