import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ConnectionTable } from "../../src/machine/connection-table.ts";
import { InodeIndex } from "../../src/machine/inode-index.ts";
import { OwnerTable } from "../../src/machine/owner-table.ts";
import { diagMessage } from "./diag-message.ts";

function tableOf(inodes: readonly number[]): ConnectionTable {
  const table = new ConnectionTable();
  inodes.forEach((inode, index) => {
    const message = diagMessage({ inode, cookie: index + 1 });
    table.add(message, 0, message.length, 0);
  });
  return table;
}

const inode = fc.integer({ min: 0, max: 0xffff_ffff });
const OPTIONS = {
  keepalive: { enabled: true, idleMs: 7_200_000, intervalMs: 75_000, count: 9 },
  userTimeoutMs: 0x7fff_ffff,
  rtoMaxMs: null,
};

describe("the index of inodes", () => {
  it("finds exactly the sockets of the survey, whatever their inodes are", () => {
    fc.assert(
      fc.property(fc.uniqueArray(inode, { maxLength: 200 }), fc.array(inode, { maxLength: 50 }), (known, others) => {
        const index = InodeIndex.of(tableOf(known));
        for (const [row, it] of known.entries()) expect(index.rowOf(it)).toBe(it === 0 ? -1 : row);
        for (const it of others) if (!known.includes(it)) expect(index.rowOf(it)).toBe(-1);
      }),
    );
  });

  it("treats inode 0, which no descriptor leads to, as no socket", () => {
    // A descriptor that is no socket is asked for as 0: it once became the owner of the first row.
    expect(InodeIndex.of(tableOf([5])).rowOf(0)).toBe(-1);
    expect(InodeIndex.of(tableOf([])).rowOf(0)).toBe(-1);
  });

  it("tells the cookie of a row as SO_COOKIE does, in memory that threads share", () => {
    const index = new InodeIndex(InodeIndex.of(tableOf([10, 20])).shared);
    const cookie = new Uint8Array(8);
    index.copyCookie(1, cookie);
    expect([...cookie]).toEqual([2, 0, 0, 0, 0, 0, 0, 0]);
  });
});

describe("the table of owners", () => {
  it("names the lowest pid of those that hold a socket, whichever thread found it", () => {
    const [one, other] = [OwnerTable.ofSize(2), OwnerTable.ofSize(2)];
    one.setOwner(0, 200, 3);
    other.setOwner(0, 100, 4);
    other.setOptions(0, OPTIONS);
    other.setOwner(1, 300, 5);
    one.merge(new OwnerTable(other.shared));
    expect(one.ownerOf(0)).toEqual({ pid: 100, fd: 4 });
    expect(one.ownerOf(1)).toEqual({ pid: 300, fd: 5 });
    expect(one.optionsOf(0)).toEqual(OPTIONS);
    expect(one.isBetterOwner(0, 150)).toBe(false);
  });

  // By net.ipv4.tcp_keepalive_time; 2^31 ms are 24.8 days.
  it("holds idle times of months", () => {
    const owners = OwnerTable.ofSize(2);
    const long = { ...OPTIONS, keepalive: { ...OPTIONS.keepalive, idleMs: 3_000_000_000, intervalMs: 8_589_934_000 } };
    owners.set(0, 1, 3, long);
    owners.set(1, 1, 4, long);
    expect(owners.optionsOf(0)).toEqual(long);
    expect(owners.optionsOf(1)).toBe(owners.optionsOf(0));
  });

  it("distinguishes read, refused and not asked", () => {
    const owners = OwnerTable.ofSize(3);
    owners.setOwner(0, 1, 3);
    owners.setErrno(0, 1);
    owners.setOwner(1, 1, 4);
    const told = [0, 1, 2].map((row) => ({ options: owners.optionsOf(row), errno: owners.errnoOf(row) }));
    expect(told).toEqual([
      { options: null, errno: 1 },
      { options: null, errno: null },
      { options: null, errno: null },
    ]);
  });
});
