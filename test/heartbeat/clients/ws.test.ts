import { WebSocket } from "undici";
import { describe, expect, it } from "vitest";
import { watchWs } from "../../../src/heartbeat/index.ts";

/** A WebSocket of the browser's kind that is wrapped, as reconnecting clients are. */
class Reconnecting extends EventTarget {
  readonly readyState = 0;
}

describe("the watch of a WebSocket without ping", () => {
  it.each([
    ["undici's, which is Node's own", () => new WebSocket("ws://127.0.0.1:1")],
    ["one that is wrapped", () => new Reconnecting()],
  ])("is refused with what to use instead: %s", (_, make) => {
    const ws = make();
    ws.addEventListener("error", () => {});
    expect(() => watchWs(ws as never)).toThrow(
      expect.objectContaining({
        name: "HalfOpenError",
        code: "ERR_NOT_SUPPORTED",
        message: expect.stringContaining("halfopen/auto"),
      }),
    );
  });
});
