import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { rowsByInode } from "../../../src/audit/owners/owner-search.ts";
import { OwnerTable } from "../../../src/audit/owners/owner-table.ts";
import { ConnectionTable } from "../../../src/survey/connection-table.ts";
import { diagMessage } from "../../survey/diag-message.ts";

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

describe("the rows by inode", () => {
  it("hold exactly the sockets of the survey that a descriptor leads to, for any inodes", () => {
    fc.assert(
      fc.property(fc.uniqueArray(inode, { maxLength: 200 }), (known) => {
        const expected = known.flatMap((it, row) => (it === 0 ? [] : [[it, row]]));
        expect([...rowsByInode(tableOf(known))]).toEqual(expected);
      }),
    );
  });

  it("keep the first row of a socket that an interrupted listing reports twice", () => {
    expect([...rowsByInode(tableOf([5, 6, 5]))]).toEqual([
      [5, 0],
      [6, 1],
    ]);
  });

  it("lead to the cookie as SO_COOKIE returns it, which stays when the view moves on", () => {
    const table = tableOf([10, 20]);
    const row = table.row(1);
    const { cookieBytes } = row;
    table.row(0, row);
    expect([...cookieBytes]).toEqual([2, 0, 0, 0, 0, 0, 0, 0]);
  });
});

describe("the table of owners", () => {
  // net.ipv4.tcp_keepalive_time allows them; 2^31 ms are only 24.8 days.
  it("holds idle times of months", () => {
    const owners = new OwnerTable(2);
    const long = {
      ...OPTIONS,
      keepalive: { ...OPTIONS.keepalive, idleMs: 3_000_000_000, intervalMs: 8_589_934_000 },
    };
    owners.set(0, 1, 3, long);
    owners.set(1, 1, 4, long);
    expect(owners.optionsOf(0)).toEqual(long);
    expect(owners.optionsOf(1)).toBe(owners.optionsOf(0));
  });

  it("distinguishes options that were read, were refused, and have no owner", () => {
    const owners = new OwnerTable(3);
    owners.set(0, 1, 3, OPTIONS);
    owners.set(1, 1, 4, 13);
    const read = [0, 1, 2].map((row) => ({
      options: owners.optionsOf(row),
      errno: owners.errnoOf(row),
    }));
    expect(read).toEqual([
      { options: OPTIONS, errno: 0 },
      { options: null, errno: 13 },
      { options: null, errno: null },
    ]);
  });
});
