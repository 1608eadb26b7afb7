import { describe, expect, it } from "vitest";
import { autoOptionsOf } from "../../src/auto/auto-options.ts";
import { HalfOpenError } from "../../src/core/errors.ts";

const peer = (host: string | undefined, address: string, port: number) => ({ host, address, port });

describe("the environment of halfopen/auto", () => {
  it("may be empty: every option has a default", () => {
    expect(autoOptionsOf({})).toMatchObject({
      detectWithinMs: 10_000,
      onDead: "reset",
      allow: null,
      watchesServers: true,
      watchesLoopback: true,
      logsJson: false,
    });
  });

  it("sets the options", () => {
    const env = {
      HALFOPEN_DETECT_WITHIN: "2500ms",
      HALFOPEN_ON_DEAD: "report",
      HALFOPEN_SERVER: "off",
      HALFOPEN_LOOPBACK: "off",
      HALFOPEN_LOG: "json",
    };
    expect(autoOptionsOf(env)).toMatchObject({
      detectWithinMs: 2500,
      onDead: "report",
      watchesServers: false,
      watchesLoopback: false,
      logsJson: true,
    });
  });

  it("matches peers by host, host and port, port, address and subnet", () => {
    const { deny } = autoOptionsOf({
      HALFOPEN_DENY: "db.internal, cache:6379, :443, 10.0.0.0/8, [fd00::1]:80, ::1",
    });
    expect(deny.has(peer("db.internal", "192.0.2.1", 5432))).toBe(true);
    expect(deny.has(peer("DB.internal", "192.0.2.1", 5432))).toBe(true);
    expect(deny.has(peer("cache", "192.0.2.1", 6380))).toBe(false);
    expect(deny.has(peer("cache", "192.0.2.1", 6379))).toBe(true);
    expect(deny.has(peer(undefined, "192.0.2.1", 443))).toBe(true);
    expect(deny.has(peer(undefined, "10.2.3.4", 1))).toBe(true);
    expect(deny.has(peer(undefined, "11.2.3.4", 1))).toBe(false);
    expect(deny.has(peer(undefined, "fd00::1", 80))).toBe(true);
    expect(deny.has(peer(undefined, "fd00::1", 81))).toBe(false);
    expect(deny.has(peer(undefined, "::1", 5))).toBe(true);
  });

  it.each([
    { HALFOPEN_DETECT_WITHIN: "5" },
    { HALFOPEN_ON_DEAD: "kill" },
    { HALFOPEN_SERVER: "no" },
    { HALFOPEN_LOG: "xml" },
    { HALFOPEN_ALLOW: "10.0.0.0/99" },
    { HALFOPEN_DENY: "host:99999" },
    { HALFOPEN_DENY: "name/8" },
  ])("is refused with the name of the wrong variable: %j", (env) => {
    const [name = ""] = Object.keys(env);
    expect(() => autoOptionsOf(env)).toThrow(HalfOpenError);
    expect(() => autoOptionsOf(env)).toThrow(name);
  });
});
