import { describe, expect, it } from "vitest";
import { type VerdictFrame, verdictNow } from "../../src/audit/verdict-now.ts";
import { ConnectionTable } from "../../src/survey/connection-table.ts";
import { type DiagSocket, diagMessage } from "../survey/diag-message.ts";

const KEEPALIVE_TIMER = 2;
const RETRANSMIT_TIMER = 1;
const SYN_SENT = 2;
const SYN_RECV = 3;
const FIN_WAIT1 = 4;
const FIN_WAIT2 = 5;
const LAST_ACK = 9;
const LISTEN = 10;
const CLOSING = 11;
const CLOSE_WAIT = 8;

const FRAME: VerdictFrame = {
  detectWithinMs: 10_000,
  rtoMaxMs: null,
  keepalive: { enabled: true, idleMs: 60_000, intervalMs: 1000 },
  isKeepaliveRead: true,
  nudged: null,
  process: "app",
  unknown: null,
  system: { synLinearTimeouts: 4, rtoMaxMs: 120_000 },
  givesUpAfterMs: 131_000,
  wallClock: 1_000_000,
  examinePath: () => null,
};

function verdict(socket: DiagSocket, frame: Partial<VerdictFrame> = {}) {
  const table = new ConnectionTable();
  const message = diagMessage(socket);
  table.add(message, 0, message.length, 0);
  return verdictNow(table.row(0), { ...FRAME, ...frame });
}

const silent = (ms: number) => ({ lastAckReceivedMs: ms, lastDataReceivedMs: ms });

describe("the verdict from one reading", () => {
  it("is alive for a connection that was heard", () => {
    expect(verdict({ info: silent(500) })).toMatchObject({
      state: "alive",
      cause: "healthy",
      silentForMs: 500,
      since: 999_500,
      label: "app",
    });
  });

  it("is quiet for any length of silence without keepalive, because no attempt was made", () => {
    const keepalive = { enabled: false, idleMs: 7_200_000, intervalMs: 75_000 };
    expect(verdict({ info: silent(4e9) }, { keepalive })).toMatchObject({
      state: "alive",
      cause: "quiet",
    });
  });

  it("ignores a count of probes that is left over from before keepalive was switched off", () => {
    expect(verdict({ timer: 0, info: { ...silent(9e6), probes: 9 } })).toMatchObject({
      state: "alive",
    });
  });

  it("is dead only when the unanswered probes, not the silence, lasted the budget", () => {
    // 60 s of silence are routine for this keepalive. Two unanswered probes a second apart may be a
    // short outage.
    expect(
      verdict({ timer: KEEPALIVE_TIMER, info: { ...silent(62_000), probes: 2 } })?.state,
    ).not.toBe("dead");
    const dead = verdict({ timer: KEEPALIVE_TIMER, info: { ...silent(72_500), probes: 12 } });
    expect(dead).toMatchObject({ state: "dead", cause: "path-silent", silentForMs: 72_500 });
  });

  it("is at most suspect where keepalive's times are assumed, because the time of the probes is unknown", () => {
    const frame = { isKeepaliveRead: false, unknown: "assumed" };
    const found = verdict(
      { timer: KEEPALIVE_TIMER, info: { ...silent(72_500), probes: 12 } },
      frame,
    );
    expect(found?.state).toBe("suspect");
    expect(found?.unknown).toContain("assumed");
  });

  it("follows the retransmissions of data in flight", () => {
    const info = {
      ...silent(14_000),
      unacked: 1,
      retransmits: 5,
      backoff: 5,
      rtoUs: 6_528_000,
      lastDataSentMs: 900,
    };
    expect(verdict({ timer: RETRANSMIT_TIMER, sendQueue: 5, info })).toMatchObject({
      state: "dead",
      cause: "path-silent",
    });
    const once = { ...silent(300), unacked: 1, retransmits: 1, backoff: 1, lastDataSentMs: 100 };
    expect(verdict({ timer: RETRANSMIT_TIMER, sendQueue: 5, info: once })?.state).toBe("alive");
  });

  it("blames this host, not the peer, for retransmissions that never left it", () => {
    const info = {
      ...silent(14_000),
      unacked: 1,
      retransmits: 9,
      retransmitted: 0,
      backoff: 2,
      lastDataSentMs: 400,
    };
    expect(verdict({ timer: RETRANSMIT_TIMER, sendQueue: 5, info })).toMatchObject({
      state: "suspect",
      cause: "local-send-failure",
    });
    // The same counters, but the last retransmission has left: ICMP took the backoff back.
    const reported = { ...info, retransmitted: 1 };
    expect(verdict({ timer: RETRANSMIT_TIMER, sendQueue: 5, info: reported })).toMatchObject({
      cause: "unreachable",
    });
  });

  it("reports a connection that no program closes, and its age only as far as the kernel shows it", () => {
    for (const state of [CLOSE_WAIT, FIN_WAIT2]) {
      expect(verdict({ state, info: silent(120_000) })).toMatchObject({
        cause: "never-closed",
        certainty: "high",
        why: [expect.stringMatching(/ for 120\.0 s at least$/)],
      });
      // An hour of silence, and then one end closed, perhaps just now. Or the peer answers
      // keepalive.
      expect(
        verdict({ state, info: { lastDataReceivedMs: 3_600_000, lastAckReceivedMs: 900 } }),
      ).toMatchObject({
        cause: "never-closed",
        certainty: "medium",
        unknown: ["since when that end is closed"],
      });
      expect(
        verdict({ state, info: { lastDataReceivedMs: 5000, lastAckReceivedMs: 900 } })?.cause,
      ).not.toBe("never-closed");
    }
  });

  describe("for a connection that is not made yet", () => {
    // The kernel then reports the machine's uptime as the ages, and a window of 0.
    const UPTIME = silent(3_121_000);
    const syn = (retransmits: number, expiresMs: number): DiagSocket => ({
      state: SYN_SENT,
      timer: RETRANSMIT_TIMER,
      expiresMs,
      sendQueue: 1,
      info: { ...UPTIME, unacked: 1, retransmits, sendWindowBytes: 0, rtoUs: 1_000_000 },
    });

    it("says nothing about a peer: none was heard, and none is behind the closed window", () => {
      expect(verdict(syn(0, 700))).toMatchObject({
        state: "alive",
        cause: "connecting",
        certainty: "certain",
        silentForMs: null,
        since: null,
      });
      expect(verdict(syn(2, 400))).toMatchObject({
        state: "suspect",
        cause: "connecting",
        silentForMs: null,
        since: null,
      });
      for (const socket of [syn(0, 700), syn(30, 400)])
        expect(verdict(socket)?.state).not.toBe("dead");
      expect(verdict({ ...syn(1, 400), state: SYN_RECV })).toMatchObject({ cause: "connecting" });
    });

    it("says when the first SYN left, how often the SYN was repeated, and when the kernel gives up", () => {
      expect(verdict(syn(0, 700))?.why).toEqual([
        "the connection is not made yet: no answer to our SYN",
        "the first SYN left 0.3 s ago",
        "the kernel gives up in 130.7 s",
      ]);
      // Five gaps of 1 s (tcp_syn_linear_timeouts = 4), one of 2 s, and 0.5 s of the next, 4 s.
      const { why } = verdict(syn(6, 3500)) ?? {};
      expect(why?.[0]).toContain("repeated 6 times");
      expect(why?.slice(1)).toEqual([
        "the first SYN left 7.5 s ago",
        "the kernel gives up in 123.5 s",
      ]);
      const old = { system: { synLinearTimeouts: 0, rtoMaxMs: 120_000 }, givesUpAfterMs: null };
      expect(verdict(syn(2, 1000), old)?.why.slice(1)).toEqual(["the first SYN left 6.0 s ago"]);
    });

    it("is none for a listener", () => expect(verdict({ state: LISTEN, info: UPTIME })).toBe(null));
  });

  it.each([FIN_WAIT1, LAST_ACK, CLOSING])(
    "follows the retransmissions of our own FIN in flight (state %i)",
    (state) => {
      const end = { state, sendQueue: 1, timer: RETRANSMIT_TIMER };
      expect(
        verdict({ ...end, info: { ...silent(100), unacked: 1, lastDataSentMs: 90 } }),
      ).toMatchObject({
        state: "alive",
        cause: "healthy",
      });
      const unanswered = {
        ...silent(14_000),
        unacked: 1,
        retransmits: 5,
        backoff: 5,
        rtoUs: 6_528_000,
        lastDataSentMs: 900,
      };
      expect(verdict({ ...end, info: unanswered })).toMatchObject({
        state: "dead",
        cause: "path-silent",
      });
    },
  );

  it("does not speak of 0 bytes when the window closed on data already sent", () => {
    const info = { ...silent(100), unacked: 1, sendWindowBytes: 0, notSentBytes: 0 };
    const found = verdict({ timer: RETRANSMIT_TIMER, sendQueue: 5, info });
    expect(found).toMatchObject({ cause: "peer-not-reading" });
    expect(found?.why.join()).not.toContain("0 bytes");
  });

  it("is none for a socket without TCP_INFO", () => expect(verdict({ info: null })).toBe(null));
});
