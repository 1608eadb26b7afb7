import { describe, expect, it } from "vitest";
import { watchWs } from "../../../src/heartbeat/index.ts";

/** A WebSocket as browsers have it. Node's own is tried in test/auto/own-fetch.lab.test.ts. */
class OfBrowsers extends EventTarget {
  readonly readyState: number = 0;
  send(): void {}
  close(): void {}
}

describe("the watch of a WebSocket", () => {
  it.each([
    ["the browser's kind, before it opens", new OfBrowsers()],
    ["the browser's kind, open", Object.assign(new OfBrowsers(), { readyState: 1 })],
    ["a client that wraps one and has listeners as in Node", { readyState: 0, on() {}, off() {} }],
  ])("refuses %s, and says what to use", (_, ws) => {
    expect(() => watchWs(ws as never)).toThrow(
      expect.objectContaining({
        name: "HalfOpenError",
        code: "ERR_NOT_SUPPORTED",
        message: expect.stringContaining("halfopen/auto"),
      }),
    );
  });
});
