import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { HalfOpenError } from "../../src/core/errors.ts";
import type { SystemPort } from "../../src/kernel/port/port.ts";
import { ConnectionTable } from "../../src/survey/connection-table.ts";
import { HANGING_STATES, takeSurvey } from "../../src/survey/survey.ts";
import { diagMessage, netlinkMessage } from "./diag-message.ts";

const SOCK_DIAG_BY_FAMILY = 20;
const DONE = 3;
const ERROR = 2;
const INTERRUPTED = 0x10;
const EAGAIN = 11;

/**
 * Returns a kernel that answers each dump with the datagrams of the next script, and then with
 * silence.
 */
function kernelThatAnswers(
  scripts: readonly (readonly Buffer[])[],
): SystemPort & { readonly dumps: number; readonly open: number } {
  let [dumps, open] = [0, 0];
  let queue: Buffer[] = [];
  const refuse = (): number => -95;
  return {
    backEnd: "koffi",
    get dumps() {
      return dumps;
    },
    get open() {
      return open;
    },
    socket: () => {
      open++;
      return 9;
    },
    close: () => {
      open--;
      return 0;
    },
    send: (_, data) => {
      queue = [...(scripts[dumps++ % scripts.length] ?? [])];
      return data.length;
    },
    poll: refuse,
    recv: (_, into) => {
      const datagram = queue.shift();
      if (!datagram) return -EAGAIN;
      into.set(datagram.subarray(0, into.length));
      return Math.min(datagram.length, into.length);
    },
    getsockopt: refuse,
    setsockopt: refuse,
    ioctl: refuse,
    getsockname: refuse,
    bind: refuse,
    connect: refuse,
    pidfdOpen: refuse,
    pidfdGetfd: refuse,
    readlinkat: refuse,
    setns: refuse,
    prctl: refuse,
    waitid: refuse,
  };
}

const REQUEST = { states: HANGING_STATES, withInfo: true, filter: [], allNamespaces: false };
const entry = (cookie: number, flags = 0): Buffer =>
  netlinkMessage(SOCK_DIAG_BY_FAMILY, 1, diagMessage({ cookie }), flags);
const done = netlinkMessage(DONE, 1, Buffer.alloc(4));
function refusal(errno: number): Buffer {
  const payload = Buffer.alloc(4);
  payload.writeInt32LE(-errno);
  return netlinkMessage(ERROR, 1, payload);
}

function cookiesOf(table: ConnectionTable): number[] {
  return Array.from(table.rows(), ({ cookieKey }) => cookieKey);
}

/** Returns the bytes of all buffers that are still in use. */
function bufferBytes(): number {
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
  return process.memoryUsage().arrayBuffers;
}

/** Reads every field of every row. */
function readAll(table: ConnectionTable): void {
  for (const row of table.rows()) {
    void [
      row.state,
      row.timer,
      row.local,
      row.remote,
      row.cookieKey,
      row.inode,
      row.tcpInfo,
      row.heardAgeMs,
      row.id,
    ];
    void [
      row.rtoMs,
      row.rttMs,
      row.probes,
      row.retransmits,
      row.sendQueue,
      row.namespaceIndex,
      row.remoteBytes,
    ];
  }
}

describe("a survey", () => {
  it("lists both families, each connection once", () => {
    const kernel = kernelThatAnswers([
      [Buffer.concat([entry(1), entry(2)]), done],
      [Buffer.concat([entry(3), done])],
    ]);
    const { table, problems } = takeSurvey(kernel, REQUEST);
    expect(cookiesOf(table)).toEqual([1, 2, 3]);
    expect(problems).toEqual([]);
    expect(kernel.open).toBe(0);
  });

  it("takes a socket once that the kernel repeats because a hash bucket grew during the listing", () => {
    const kernel = kernelThatAnswers([
      [Buffer.concat([entry(1), entry(2)]), Buffer.concat([entry(1), entry(2), entry(3)]), done],
      [done],
    ]);
    expect(cookiesOf(takeSurvey(kernel, REQUEST).table)).toEqual([1, 2, 3]);
  });

  it("starts over when the kernel says that its table changed, and keeps nothing of the abandoned listing", () => {
    const interrupted = [Buffer.concat([entry(1, INTERRUPTED), entry(9)]), done];
    const kernel = kernelThatAnswers([interrupted, [entry(1), done], [done]]);
    const { table, problems } = takeSurvey(kernel, REQUEST);
    expect(cookiesOf(table)).toEqual([1]);
    expect({ dumps: kernel.dumps, problems }).toEqual({ dumps: 3, problems: [] });
  });

  it("stops starting over after a few times, keeps the last listing and reports the problem", () => {
    const kernel = kernelThatAnswers([[entry(1, INTERRUPTED), done]]);
    const { table, problems } = takeSurvey(kernel, REQUEST);
    expect(table.size).toBe(2); // one a family
    expect(problems.join()).toMatch(/changed/);
    expect(kernel.dumps).toBe(10);
  });

  it("throws when the kernel refuses, but does without IPv6 on a kernel that has none", () => {
    expect(() => takeSurvey(kernelThatAnswers([[refusal(1)]]), REQUEST)).toThrow(HalfOpenError);
    const { table } = takeSurvey(kernelThatAnswers([[entry(1), done], [refusal(2)]]), REQUEST);
    expect(table.size).toBe(1);
  });

  it("lists again without the filter when an old kernel does not know it", () => {
    const kernel = kernelThatAnswers([[refusal(22)], [entry(1), done], [refusal(22)], [done]]);
    expect(takeSurvey(kernel, { ...REQUEST, filter: [[{ localPort: 1 }]] }).table.size).toBe(1);
    expect(kernel.dumps).toBe(4);
  });

  it("survives answers that lie, are cut short or are noise: no read beyond the bytes, no crash, no endless loop", () => {
    const truth = Buffer.concat([entry(1), entry(2), entry(3)]);
    const flips = fc.array(fc.tuple(fc.nat(truth.length - 1), fc.integer({ min: 0, max: 255 })), {
      maxLength: 8,
    });
    const datagram = fc.oneof(
      fc.tuple(flips, fc.integer({ min: 1, max: truth.length })).map(([changes, length]) => {
        const bytes = Buffer.from(truth);
        for (const [at, value] of changes) bytes[at] = value;
        return bytes.subarray(0, length);
      }),
      fc.uint8Array({ minLength: 1, maxLength: 300 }).map((noise) => Buffer.from(noise)),
      fc.constant(done),
    );
    fc.assert(
      fc.property(
        fc.array(fc.array(datagram, { maxLength: 5 }), { minLength: 1, maxLength: 4 }),
        (scripts) => {
          const kernel = kernelThatAnswers(scripts);
          try {
            readAll(takeSurvey(kernel, REQUEST).table);
          } catch (error) {
            // A refusal is a HalfOpenError; anything else is our own mistake.
            expect(error).toBeInstanceOf(HalfOpenError);
          }
          expect(kernel.open).toBe(0);
          expect(kernel.dumps).toBeLessThanOrEqual(10);
        },
      ),
      { numRuns: 1500 },
    );
  });
});

describe("the table of a survey", () => {
  it("holds 100,000 sockets in 42 MB and returns each unchanged", () => {
    const before = bufferBytes();
    const table = new ConnectionTable();
    const bytes = diagMessage({
      info: { unacked: 3, lastAckReceivedMs: 4_294_967_295, lastDataReceivedMs: 4_294_967_290 },
    });
    for (let cookie = 1; cookie <= 100_000; cookie++) {
      bytes.writeUInt32LE(cookie, 44);
      table.add(bytes, 0, bytes.length, cookie % 7);
    }
    const row = table.row(98_765);
    expect(row).toMatchObject({
      cookieKey: 98_766,
      namespaceIndex: 98_766 % 7,
      unackedSegments: 3,
    });
    // The kernel's ages are 32 bits of ms and wrap after 49 days. Then the peer seems heard lately,
    // which is no evidence against it.
    expect(row.heardAgeMs).toBe(4_294_967_290);
    expect(table.row(5).cookieKey).toBe(6);
    expect(bufferBytes() - before).toBeLessThan(42e6);
  });

  it("reads zeros for a socket without TCP_INFO, even between sockets that have it", () => {
    const table = new ConnectionTable();
    const [withInfo, without] = [
      diagMessage({ info: { unacked: 3 } }),
      diagMessage({ info: null }),
    ];
    for (let cookie = 1; cookie <= 10_000; cookie++) {
      const message = cookie % 2 === 0 ? withInfo : without;
      message.writeUInt32LE(cookie, 44);
      const room = table.room(message.length);
      message.copy(room);
      table.add(room, 0, message.length, 1);
    }
    expect(table.row(0).tcpInfo).toBe(null);
    for (const { cookieKey, hasInfo, unackedSegments, probes, index } of table.rows()) {
      const isEven = cookieKey % 2 === 0;
      expect({ cookieKey, hasInfo, unackedSegments, probes }).toEqual({
        cookieKey: index + 1,
        hasInfo: isEven,
        unackedSegments: isEven ? 3 : 0,
        probes: 0,
      });
    }
  });

  it("takes little more than one block of memory for a single row, as a guard needs for each reading", () => {
    const message = diagMessage({ cookie: 1 });
    const before = bufferBytes();
    const table = new ConnectionTable();
    table.add(message, 0, message.length, 0);
    expect(bufferBytes() - before).toBeLessThan(2 ** 20 + 2048);
    expect(table.size).toBe(1);
  });

  it("takes messages from any address in memory", () => {
    const message = diagMessage({ cookie: 5, inode: 123_456, info: { probes: 4 } });
    for (const offset of [0, 1, 2, 3]) {
      const table = new ConnectionTable();
      const elsewhere = Buffer.concat([Buffer.alloc(offset), message]).subarray(offset);
      table.add(elsewhere, 0, elsewhere.length, 0);
      expect(table.row(0)).toMatchObject({ cookieKey: 5, inode: 123_456, probes: 4 });
    }
  });
});
