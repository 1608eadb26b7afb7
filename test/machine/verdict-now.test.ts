import { describe, expect, it } from "vitest";
import { ConnectionTable } from "../../src/machine/connection-table.ts";
import { type VerdictFrame, verdictNow } from "../../src/machine/verdict-now.ts";
import { type DiagSocket, diagMessage } from "./diag-message.ts";

const KEEPALIVE_TIMER = 2;
const RETRANSMIT_TIMER = 1;
const FIN_WAIT2 = 5;
const CLOSE_WAIT = 8;

const FRAME: VerdictFrame = {
  detectWithinMs: 10_000,
  rtoMaxMs: null,
  keepalive: { enabled: true, idleMs: 60_000, intervalMs: 1000 },
  isKeepaliveRead: true,
  nudged: null,
  process: "app",
  unknown: null,
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
  it("of a connection that was heard is alive", () => {
    expect(verdict({ info: silent(500) })).toMatchObject({
      state: "alive",
      cause: "healthy",
      silentForMs: 500,
      since: 999_500,
      label: "app",
    });
  });

  it("of a quiet one without keepalive is quiet, however long: nobody asked", () => {
    const keepalive = { enabled: false, idleMs: 7_200_000, intervalMs: 75_000 };
    expect(verdict({ info: silent(4e9) }, { keepalive })).toMatchObject({ state: "alive", cause: "quiet" });
  });

  it("does not believe probes that are left over from before keepalive was switched off", () => {
    expect(verdict({ timer: 0, info: { ...silent(9e6), probes: 9 } })).toMatchObject({ state: "alive" });
  });

  it("of unanswered probes is dead only when the questions, not the silence, lasted the budget", () => {
    // 60 s of silence are the routine of this keepalive; two probes a second apart may be a short outage.
    expect(verdict({ timer: KEEPALIVE_TIMER, info: { ...silent(62_000), probes: 2 } })?.state).not.toBe("dead");
    const dead = verdict({ timer: KEEPALIVE_TIMER, info: { ...silent(72_500), probes: 12 } });
    expect(dead).toMatchObject({ state: "dead", cause: "path-silent", silentForMs: 72_500 });
  });

  it("is not dead where keepalive's times are only assumed: how long it was asked is not known", () => {
    const frame = { isKeepaliveRead: false, unknown: "assumed" };
    const found = verdict({ timer: KEEPALIVE_TIMER, info: { ...silent(72_500), probes: 12 } }, frame);
    expect(found?.state).toBe("suspect");
    expect(found?.unknown).toContain("assumed");
  });

  it("of data in flight follows the retransmissions", () => {
    const info = { ...silent(14_000), unacked: 1, retransmits: 5, backoff: 5, rtoUs: 6_528_000, lastDataSentMs: 900 };
    expect(verdict({ timer: RETRANSMIT_TIMER, sendQueue: 5, info })).toMatchObject({ state: "dead", cause: "path-silent" });
    const once = { ...silent(300), unacked: 1, retransmits: 1, backoff: 1, lastDataSentMs: 100 };
    expect(verdict({ timer: RETRANSMIT_TIMER, sendQueue: 5, info: once })?.state).toBe("alive");
  });

  it("blames this host, not the peer, for retransmissions that never left it", () => {
    const info = { ...silent(14_000), unacked: 1, retransmits: 9, retransmitted: 0, backoff: 2, lastDataSentMs: 400 };
    expect(verdict({ timer: RETRANSMIT_TIMER, sendQueue: 5, info })).toMatchObject({ state: "suspect", cause: "local-send-failure" });
    // The same counters and the last one has left: ICMP took the backoff back.
    const reported = { ...info, retransmitted: 1 };
    expect(verdict({ timer: RETRANSMIT_TIMER, sendQueue: 5, info: reported })).toMatchObject({ cause: "unreachable" });
  });

  it("names what nobody closes", () => {
    for (const state of [CLOSE_WAIT, FIN_WAIT2]) {
      expect(verdict({ state, info: silent(120_000) })).toMatchObject({ cause: "never-closed" });
    }
  });

  it("is none for a socket without TCP_INFO", () => expect(verdict({ info: null })).toBe(null));
});
