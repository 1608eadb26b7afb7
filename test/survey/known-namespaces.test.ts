import { describe, expect, it } from "vitest";
import type { NetworkNamespace } from "../../src/kernel/netlink/network-namespace.ts";
import { KnownNamespaces } from "../../src/survey/known-namespaces.ts";

const at = (inode: number, path = `/proc/${inode}/ns/net`): NetworkNamespace => ({
  inode,
  path,
  name: null,
  isOwn: false,
});

function meet(known: KnownNamespaces, ...inodes: number[]): number[] {
  return [...known.meet(inodes.map((inode) => at(inode)))].map(([index]) => index);
}

describe("the namespaces of successive surveys", () => {
  it("keep their index, whatever order a survey lists them in", () => {
    const known = new KnownNamespaces();
    expect(meet(known, 10, 20, 30)).toEqual([0, 1, 2]);
    expect(meet(known, 30, 10, 20)).toEqual([2, 0, 1]);
  });

  it("are forgotten when two surveys in a row miss them, and no index is given twice", () => {
    const known = new KnownNamespaces();
    meet(known, 10, 20);
    expect(meet(known, 10)).toEqual([0]);
    expect([...known.all.keys()]).toEqual([0, 1]);
    meet(known, 10);
    expect([...known.all.keys()]).toEqual([0]);
    expect(meet(known, 10, 20)).toEqual([0, 2]);
  });

  it("stay as few as there are, however many have come and gone", () => {
    const known = new KnownNamespaces();
    for (let inode = 1; inode <= 1000; inode++) meet(known, 1, 1000 + inode);
    expect(known.all.size).toBe(3);
  });

  it("are entered by the newest way: the process that led there may have ended", () => {
    const known = new KnownNamespaces();
    for (const path of ["/proc/7/ns/net", "/proc/8/ns/net"]) {
      const [found] = known.meet([at(10, path)]);
      expect(found?.[1].path).toBe(path);
      expect(known.all.get(0)?.path).toBe(path);
    }
  });
});
