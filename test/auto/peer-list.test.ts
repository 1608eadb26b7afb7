import { expect, it } from "vitest";
import { PeerList } from "../../src/auto/peer-list.ts";

const peer = (host: string | undefined, address: string, port: number) => ({ host, address, port });

it("a list of peers matches by host, host and port, port, address and subnet", () => {
  const list = new PeerList("db.internal, cache:6379, :443, 10.0.0.0/8, [fd00::1]:80, ::1", "deny");
  expect(list.has(peer("db.internal", "192.0.2.1", 5432))).toBe(true);
  expect(list.has(peer("DB.internal", "192.0.2.1", 5432))).toBe(true);
  expect(list.has(peer("cache", "192.0.2.1", 6380))).toBe(false);
  expect(list.has(peer("cache", "192.0.2.1", 6379))).toBe(true);
  expect(list.has(peer(undefined, "192.0.2.1", 443))).toBe(true);
  expect(list.has(peer(undefined, "10.2.3.4", 1))).toBe(true);
  expect(list.has(peer(undefined, "11.2.3.4", 1))).toBe(false);
  expect(list.has(peer(undefined, "fd00::1", 80))).toBe(true);
  expect(list.has(peer(undefined, "fd00::1", 81))).toBe(false);
  expect(list.has(peer(undefined, "::1", 5))).toBe(true);
});
