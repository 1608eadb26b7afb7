import { describe, expect, it } from "vitest";
import { autoOptionsOf } from "../../src/auto/auto-options.ts";
import { HalfOpenError } from "../../src/core/errors.ts";

describe("the environment of halfopen/auto", () => {
  it("may be empty: every option has a default", () => {
    expect(autoOptionsOf({})).toMatchObject({
      detectWithinMs: 10_000,
      surviveOutageMs: undefined,
      onDead: "reset",
      errorCode: "ECONNRESET",
      onUnheard: "throw",
      allow: undefined,
      deny: undefined,
      servers: true,
      loopback: true,
      logsJson: false,
    });
  });

  it("sets the options", () => {
    const env = {
      HALFOPEN_DETECT_WITHIN: "2500ms",
      HALFOPEN_SURVIVE_OUTAGE: "0.5s",
      HALFOPEN_ON_DEAD: "report",
      HALFOPEN_ERROR_CODE: "ERR_PEER_DEAD",
      HALFOPEN_ON_UNHEARD: "warn",
      HALFOPEN_ALLOW: "db.internal,:443",
      HALFOPEN_DENY: "10.0.0.0/8",
      HALFOPEN_SERVER: "off",
      HALFOPEN_LOOPBACK: "off",
      HALFOPEN_LOG: "json",
    };
    expect(autoOptionsOf(env)).toMatchObject({
      detectWithinMs: 2500,
      surviveOutageMs: 500,
      onDead: "report",
      errorCode: "ERR_PEER_DEAD",
      onUnheard: "warn",
      allow: "db.internal,:443",
      deny: "10.0.0.0/8",
      servers: false,
      loopback: false,
      logsJson: true,
    });
  });

  it.each([
    { HALFOPEN_DETECT_WITHIN: "5" },
    { HALFOPEN_DETECT_WITHIN: "2s" },
    { HALFOPEN_DETECT_WITHIN: "2d" },
    { HALFOPEN_SURVIVE_OUTAGE: "2" },
    { HALFOPEN_SURVIVE_OUTAGE: "2d" },
    { HALFOPEN_ON_DEAD: "kill" },
    { HALFOPEN_ERROR_CODE: "ERESET" },
    { HALFOPEN_ERROR_CODE: "econnreset" },
    { HALFOPEN_ON_UNHEARD: "ignore" },
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
