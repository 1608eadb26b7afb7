import { describe, expect, it } from "vitest";
import { closedBeforeAnswer, PingExchange } from "../../../src/heartbeat/frames/ping-exchange.ts";

function exchange(): { pings: PingExchange; sent: string[] } {
  const sent: string[] = [];
  return { pings: new PingExchange((control) => sent.push(control)), sent };
}

describe("our pings", () => {
  it("are all sent while one is open, and resolve with the answer to any of them", async () => {
    const { pings, sent } = exchange();
    const first = pings.ping(false);
    expect(pings.ping(false)).toBe(first);
    pings.received("PONG 2", false);
    await first;

    const third = pings.ping(false);
    pings.received("PONG 2", false);
    expect(pings.ping(true)).toBe(third);
    expect(pings.ping(false)).toBe(third);
    pings.received("PONG 3", false);
    await third;
    expect(sent).toEqual(["PING 1", "PING 2", "PING 3", "PING 4"]);
  });

  it("are not sent while blocked or while the peer is paused", () => {
    const { pings, sent } = exchange();
    expect(pings.ping(true)).toBeUndefined();
    pings.received("PAUSE", false);
    expect(pings.ping(false)).toBeUndefined();
    expect(sent).toEqual([]);
    pings.received("RESUME", false);
    expect(pings.ping(false)).toBeInstanceOf(Promise);
  });

  it("resolve with a PAUSE, which proves as much as an answer", async () => {
    const { pings } = exchange();
    const answer = pings.ping(false);
    pings.received("PAUSE", false);
    await expect(answer).resolves.toBeUndefined();
  });

  it("reject when the stream closes", async () => {
    const { pings } = exchange();
    const answer = pings.ping(false);
    pings.closed(closedBeforeAnswer());
    await expect(answer).rejects.toMatchObject({ code: "ERR_NOT_CONNECTED" });
  });
});

describe("the peer's frames", () => {
  it("get one answer, to the newest ping, after a time in which the peer did not read", () => {
    const { pings, sent } = exchange();
    pings.received("PING 1", false);
    pings.received("PING 2", true);
    pings.received("PING 3", true);
    expect(sent).toEqual(["PONG 1"]);
    pings.drained();
    pings.drained();
    expect(sent).toEqual(["PONG 1", "PONG 3"]);
  });

  it("are refused if unknown, or if they answer a ping that was never sent", () => {
    const { pings } = exchange();
    for (const control of ["EXPLODE", "PING", "PONG -1", "PING 1234567890123456"])
      expect(pings.received(control, false)).toBe(false);
    for (const control of ["PONG 0", "PONG 1"])
      expect(() => pings.received(control, false)).toThrow(
        expect.objectContaining({ code: "ERR_PROTOCOL" }),
      );
  });
});
