import { describe, expect, it } from "vitest";
import { Glances } from "../../src/guard/glances.ts";
import type { SockDiag } from "../../src/kernel/netlink/sock-diag.ts";
import type { SockDiagId } from "../../src/kernel/netlink/sock-diag-id.ts";
import { readTcpOpens, tcpOpensIn } from "../../src/kernel/system/tcp-opens.ts";
import { ConnectionTable } from "../../src/survey/connection-table.ts";
import { type ListedSocket, messageOf } from "../survey/survey-bytes.ts";

const HALF_A_MINUTE_MS = 30_000;

/** A namespace whose kernel counts what is opened, and finds what is in a guard's care. */
class Namespace {
  opens = 7;
  sockets: ListedSocket[] = [];
  readonly lookups: number[] = [];
  readonly glances: Glances;
  readonly inCare: number[] = [];
  now = 0;

  constructor() {
    const diag = {
      dump: (_: object, onSocket: (bytes: Buffer, start: number, end: number) => void) => {
        for (const it of this.sockets) if (it.state === "LISTEN") this.#tell(it, onSocket);
        return { errno: 0, isInterrupted: false };
      },
      lookup: (id: SockDiagId, onSocket: (bytes: Buffer, start: number, end: number) => void) => {
        const cookie = Number(id.cookie);
        this.lookups.push(cookie);
        const found = this.sockets.find((it) => it.cookie === cookie);
        if (found) this.#tell(found, onSocket);
        return found ? 0 : 2;
      },
    };
    this.glances = new Glances({
      inCare: () => new Map([[3, this.inCare.map((cookie) => idOf({ cookie }))]]),
      diagOf: () => diag as unknown as SockDiag,
      readOpens: () => this.opens,
    });
  }

  /** Takes a survey. Returns the cookies that a glance found; `null`: all sockets were listed. */
  survey(): number[] | null {
    const table = new ConnectionTable();
    this.glances.begin();
    const isGlanced = this.glances.glance(3, table, this.now);
    const glanced = Array.from(table.rows(), ({ cookieKey }) => cookieKey);
    if (!isGlanced)
      for (const it of this.sockets) {
        const bytes = messageOf(it);
        table.add(bytes, 0, bytes.length, 3);
      }
    this.glances.end(table, () => true);
    expect(this.glances.isListed(3)).toBe(!isGlanced);
    expect(this.glances.readAt(3)).toBe(this.now);
    this.now += 2000;
    return isGlanced ? glanced : null;
  }

  #tell(it: ListedSocket, onSocket: (bytes: Buffer, start: number, end: number) => void): void {
    const bytes = messageOf(it);
    onSocket(bytes, 0, bytes.length);
  }
}

function idOf(it: ListedSocket): SockDiagId {
  const table = new ConnectionTable();
  const bytes = messageOf(it);
  table.add(bytes, 0, bytes.length, 0);
  return table.row(0).id;
}

describe("a glance at a network namespace", () => {
  it("looks up what is in the guard's care, and lists listeners, while nothing is opened", () => {
    const it = new Namespace();
    it.sockets = [{ cookie: 1 }, { cookie: 2 }, { cookie: 3, state: "LISTEN" }];
    it.inCare.push(1);
    expect(it.survey()).toBeNull();
    // One dump a family, and both find the same listener here.
    expect(it.survey()).toEqual([3, 3, 1]);
    expect(it.lookups).toEqual([1]);
  });

  it.each<[string, (it: Namespace) => void]>([
    ["a connection was begun or accepted", (it) => it.opens++],
    ["half a minute has passed", (it) => (it.now += HALF_A_MINUTE_MS)],
    ["thousands are in its care", (it) => it.inCare.push(...Array(3001).fill(1))],
  ])("lists all sockets when %s", (_what, happens) => {
    const it = new Namespace();
    it.sockets = [{ cookie: 1 }];
    it.inCare.push(1);
    it.survey();
    expect(it.survey()).toEqual([1]);
    happens(it);
    expect(it.survey()).toBeNull();
  });

  it.each<[string, ListedSocket, ListedSocket]>([
    ["its handshake is not over", { cookie: 9, state: "SYN_SENT" }, { cookie: 9 }],
    ["no program has accepted it", { cookie: 9, inode: 0 }, { cookie: 9 }],
    [
      "the peer has closed it before",
      { cookie: 9, inode: 0, state: "CLOSE_WAIT" },
      { cookie: 9, state: "CLOSE_WAIT" },
    ],
  ])("goes on listing while a connection waits: %s", (_why, waiting, settled) => {
    const it = new Namespace();
    it.sockets = [waiting];
    it.survey();
    expect(it.survey()).toBeNull();
    expect(it.survey()).toBeNull();
    it.sockets = [settled];
    expect(it.survey()).toBeNull();
    expect(it.survey()).not.toBeNull();
  });

  it("leaves out what is gone, and what only waits for its time to pass", () => {
    const it = new Namespace();
    it.sockets = [{ cookie: 1 }, { cookie: 2 }];
    it.inCare.push(1, 2, 3);
    it.survey();
    it.sockets = [{ cookie: 1, state: "TIME_WAIT" }, { cookie: 2 }];
    expect(it.survey()).toEqual([2]);
  });

  it("does not list all namespaces in one survey when their half minute is over", () => {
    const glances = new Glances({
      inCare: () => new Map(),
      diagOf: () => null,
      readOpens: () => 1,
    });
    const diag = { dump: () => ({ errno: 0, isInterrupted: false }) } as unknown as SockDiag;
    const spread = new Glances({ inCare: () => new Map(), diagOf: () => diag, readOpens: () => 1 });
    const table = new ConnectionTable();
    const most: number[] = [];
    for (let now = 0; now < 60_000; now += 2000) {
      spread.begin();
      let listed = 0;
      for (let index = 0; index < 32; index++) if (!spread.glance(index, table, now)) listed++;
      if (now > 0) most.push(listed);
    }
    expect(Math.max(...most)).toBeLessThanOrEqual(6);
    expect(most.reduce((sum, listed) => sum + listed, 0)).toBeGreaterThanOrEqual(32);
    // Without a socket to look up with, all are listed.
    expect([glances.glance(0, table, 0), glances.glance(0, table, 1)]).toEqual([false, false]);
  });
});

describe("the number of TCP connections opened", () => {
  it("is read by the names of its columns, whatever others there are", () => {
    const snmp =
      "Ip: A B\nIp: 1 2\nTcp: RtoMin New ActiveOpens PassiveOpens Z\nTcp: 200 5 30 12 9\n";
    expect(tcpOpensIn(snmp)).toBe(42);
    expect(tcpOpensIn("Ip: A\nIp: 1\n")).toBeNull();
    expect(tcpOpensIn("Tcp: ActiveOpens\nTcp: 1\n")).toBeNull();
  });

  it.runIf(process.platform === "linux")("is there on this machine", () => {
    expect(readTcpOpens()).toBeGreaterThanOrEqual(0);
  });
});
