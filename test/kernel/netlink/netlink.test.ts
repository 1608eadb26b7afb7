import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { lookUpLink } from "../../../src/kernel/netlink/link.ts";
import { lookUpNeighbor } from "../../../src/kernel/netlink/neighbor.ts";
import { attributesOf, Netlink } from "../../../src/kernel/netlink/netlink.ts";
import { lookUpRoute } from "../../../src/kernel/netlink/route.ts";
import { EAGAIN, ENETUNREACH } from "../../../src/kernel/port/errno-linux.ts";
import type { SystemPort } from "../../../src/kernel/port/port.ts";

const HEADER_BYTES = 16;
const ADDRESS = Uint8Array.of(10, 0, 0, 1);

/** A kernel that answers every request with the bytes given. */
function answering(...answers: (Uint8Array | number)[]): Netlink {
  const unused = (): never => {
    throw new Error("this test uses no other call of the port");
  };
  const port: SystemPort = {
    backEnd: "koffi",
    getsockopt: unused,
    setsockopt: unused,
    ioctl: unused,
    getsockname: unused,
    bind: unused,
    connect: unused,
    pidfdOpen: unused,
    pidfdGetfd: unused,
    readlinkat: unused,
    setns: unused,
    prctl: unused,
    waitid: unused,
    socket: () => 3,
    close: () => 0,
    send: (_fd, data) => data.length,
    poll: unused,
    recv: (_fd, into) => {
      const answer = answers.shift() ?? -EAGAIN;
      if (typeof answer === "number") return answer;
      into.set(answer);
      return answer.length;
    },
  };
  const netlink = Netlink.open(port, 0);
  if (!netlink) throw new Error("the port opens");
  return netlink;
}

/** A message with a valid header, so that its payload is read. */
function message(type: number, payload: Uint8Array, sequence = 1): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES + payload.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, bytes.length, true);
  view.setUint16(4, type, true);
  view.setUint32(8, sequence, true);
  bytes.set(payload, HEADER_BYTES);
  return bytes;
}

describe("netlink", () => {
  it("survives garbage and never reads beyond it", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const answer = answering(bytes).ask(1, new Uint8Array(4), []);
        if ("errno" in answer) expect(Number.isInteger(answer.errno)).toBe(true);
        else expect(answer.payload.byteLength).toBeLessThanOrEqual(bytes.length - HEADER_BYTES);
      }),
    );
  });

  it("survives a payload of garbage for a route, a link and a neighbour", () => {
    const types = fc.constantFrom(24, 16, 28, 2);
    fc.assert(
      fc.property(types, fc.uint8Array({ maxLength: 120 }), (type, payload) => {
        const bytes = message(type, payload);
        const route = lookUpRoute(answering(bytes), ADDRESS, null);
        if (route) expect(typeof route.isLocal).toBe("boolean");
        expect(typeof (lookUpLink(answering(bytes), 1)?.name ?? "")).toBe("string");
        expect(typeof (lookUpNeighbor(answering(bytes), 1, ADDRESS) ?? "")).toBe("string");
      }),
      { numRuns: 500 },
    );
  });

  it("skips the answer to an older request", () => {
    const answer = answering(message(24, Uint8Array.of(1), 99), message(24, Uint8Array.of(2))).ask(
      26,
      new Uint8Array(12),
      [],
    );
    expect("payload" in answer && answer.payload.getUint8(0)).toBe(2);
  });

  it("returns the errno of a refusal, and of a socket that has no answer", () => {
    const refusal = new Uint8Array(new Int32Array([-ENETUNREACH]).buffer);
    expect(answering(message(2, refusal)).ask(26, new Uint8Array(12), [])).toEqual({
      errno: ENETUNREACH,
    });
    expect(answering().ask(26, new Uint8Array(12), [])).toEqual({ errno: EAGAIN });
  });

  it("reads attributes up to the first one that does not fit", () => {
    const whole = [8, 0, 1, 0, 7, 7, 7, 7, 5, 0, 2, 0, 9, 0, 0, 0];
    const found = (bytes: readonly number[]): number[] => [
      ...attributesOf(new DataView(Uint8Array.from(bytes).buffer), 0).keys(),
    ];
    expect(found(whole)).toEqual([1, 2]);
    expect(found([...whole, 200, 0, 3, 0])).toEqual([1, 2]);
    expect(found([...whole, 0, 0, 3, 0])).toEqual([1, 2]);
    expect(found(whole.slice(0, 7))).toEqual([]);
  });
});
