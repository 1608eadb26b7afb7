import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { walkMessages } from "../../../src/kernel/netlink/netlink-message.ts";
import { type Condition, compileFilter } from "../../../src/kernel/netlink/sock-diag-filter.ts";
import { AF_INET, AF_INET6, SockDiagId } from "../../../src/kernel/netlink/sock-diag-id.ts";
import {
  findAttributes,
  INET_DIAG_MESSAGE_BYTES,
} from "../../../src/kernel/netlink/sock-diag-message.ts";
import {
  destroyRequest,
  dumpRequest,
  lookupRequest,
} from "../../../src/kernel/netlink/sock-diag-request.ts";

const SOCK_DIAG_BY_FAMILY = 20;

function netlinkMessage(type: number, sequence: number, payload: Uint8Array, flags = 0): Buffer {
  const bytes = Buffer.alloc((16 + payload.length + 3) & ~3);
  bytes.writeUInt32LE(16 + payload.length, 0);
  bytes.writeUInt16LE(type, 4);
  bytes.writeUInt16LE(flags, 6);
  bytes.writeUInt32LE(sequence, 8);
  bytes.set(payload, 16);
  return bytes;
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  return bytes;
}

function attribute(type: number, payload: Uint8Array): Buffer {
  const bytes = Buffer.alloc((4 + payload.length + 3) & ~3);
  bytes.writeUInt16LE(4 + payload.length, 0);
  bytes.writeUInt16LE(type, 2);
  bytes.set(payload, 4);
  return bytes;
}

function nothingFound() {
  return { infoAt: 0, infoBytes: 0 };
}

describe("sock_diag requests", () => {
  it("list all sockets of a family, with TCP_INFO and a filter, in the kernel's layout", () => {
    const bytes = dumpRequest(
      {
        family: AF_INET6,
        states: 0b1_0000_0010,
        withInfo: true,
        filter: Buffer.from([1, 2, 3, 4]),
      },
      7,
    );
    expect(bytes.length).toBe(16 + 56 + 8);
    expect(bytes.readUInt32LE(0)).toBe(bytes.length);
    const header = {
      type: bytes.readUInt16LE(4),
      flags: bytes.readUInt16LE(6),
      sequence: bytes.readUInt32LE(8),
    };
    expect(header).toEqual({ type: 20, flags: 0x301, sequence: 7 });
    expect({ family: bytes[16], protocol: bytes[17], extensions: bytes[18] }).toEqual({
      family: 10,
      protocol: 6,
      extensions: 2,
    });
    expect(bytes.readUInt32LE(20)).toBe(0b1_0000_0010);
    expect({ length: bytes.readUInt16LE(72), type: bytes.readUInt16LE(74) }).toEqual({
      length: 8,
      type: 1,
    });
    expect([...bytes.subarray(76)]).toEqual([1, 2, 3, 4]);
  });

  it("name one socket with all 48 bytes of its identity, cookie included", () => {
    const identity = Uint8Array.from({ length: 48 }, (_, i) => i + 1);
    const id = new SockDiagId(AF_INET, identity);
    expect([...lookupRequest(id, 1).subarray(24)]).toEqual([...identity]);
    const destroy = destroyRequest(id, 1);
    expect([...destroy.subarray(24)]).toEqual([...identity]);
    expect({ type: destroy.readUInt16LE(4), flags: destroy.readUInt16LE(6) }).toEqual({
      type: 21,
      flags: 5,
    });
    expect(id.cookie).toBe(0x302f_2e2d_2c2b_2a29n);
    expect(id).toMatchObject({ localPort: 0x0102, remotePort: 0x0304 });
  });

  it("refuse to destroy a socket without its cookie, which could hit a later connection", () => {
    const identity = new Uint8Array(48).fill(0xff, 40);
    expect(() => destroyRequest(new SockDiagId(AF_INET, identity), 1)).toThrow(/cookie/);
  });

  it("show IPv4 inside IPv6 as IPv4", () => {
    const identity = new Uint8Array(48);
    identity.set([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 1], 4);
    identity.set([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2], 20);
    const id = new SockDiagId(AF_INET6, identity);
    expect(id).toMatchObject({ localAddress: "10.0.0.1", remoteAddress: "fd00::2" });
  });
});

describe("sock_diag answers", () => {
  it("end with DONE, with an error, or go on in the next datagram", () => {
    const entry = netlinkMessage(SOCK_DIAG_BY_FAMILY, 5, Buffer.alloc(72), 0x10);
    const seen: number[] = [];
    const step = walkMessages(
      Buffer.concat([entry, entry]),
      2 * entry.length,
      5,
      (_start, _end, _type, flags) => seen.push(flags),
    );
    expect({ seen, isEnd: step.isEnd }).toEqual({ seen: [0x10, 0x10], isEnd: false });
    const done = netlinkMessage(3, 5, int32(0));
    expect(walkMessages(done, done.length, 5, () => {})).toEqual({ isEnd: true, errno: 0 });
    const refused = netlinkMessage(2, 5, int32(-1));
    expect(walkMessages(refused, refused.length, 5, () => {})).toEqual({ isEnd: true, errno: 1 });
  });

  it("to another request are skipped", () => {
    const foreign = Buffer.concat([
      netlinkMessage(SOCK_DIAG_BY_FAMILY, 4, Buffer.alloc(72)),
      netlinkMessage(3, 4, int32(0)),
    ]);
    let seen = 0;
    expect(walkMessages(foreign, foreign.length, 5, () => seen++).isEnd).toBe(false);
    expect(seen).toBe(0);
  });

  it("with a false length are refused and never read beyond the bytes received", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), fc.nat(700), (noise, length) => {
        const bytes = Buffer.from(noise);
        walkMessages(bytes, length, 5, (start, end) => {
          expect(start).toBeGreaterThanOrEqual(16);
          expect(end).toBeLessThanOrEqual(Math.min(bytes.length, length));
        });
      }),
    );
  });

  it("with any bytes changed are read within bounds", () => {
    const info = Buffer.alloc(280, 7);
    const entry = netlinkMessage(
      SOCK_DIAG_BY_FAMILY,
      5,
      Buffer.concat([Buffer.alloc(72), attribute(8, Buffer.alloc(1)), attribute(2, info)]),
    );
    const answer = Buffer.concat([entry, entry, netlinkMessage(3, 5, int32(0))]);
    const flip = fc.tuple(fc.nat(answer.length - 1), fc.integer({ min: 0, max: 255 }));
    fc.assert(
      fc.property(fc.array(flip, { minLength: 1, maxLength: 6 }), (flips) => {
        const bytes = Buffer.from(answer);
        for (const [at, value] of flips) bytes[at] = value;
        const words = wordsOf(bytes);
        walkMessages(bytes, bytes.length, 5, (start, end) => {
          const found = nothingFound();
          if (!findAttributes(words, start, end, found)) return;
          expect(end - start).toBeGreaterThanOrEqual(INET_DIAG_MESSAGE_BYTES);
          expect(found.infoAt + found.infoBytes).toBeLessThanOrEqual(end);
        });
      }),
      { numRuns: 2000 },
    );
  });

  it("give TCP_INFO of any length, and none where the kernel sends none", () => {
    for (const length of [104, 232, 280, 300]) {
      const bytes = Buffer.concat([Buffer.alloc(72), attribute(2, Buffer.alloc(length))]);
      const found = nothingFound();
      expect(findAttributes(wordsOf(bytes), 0, bytes.length, found)).toBe(true);
      expect(found).toEqual({ infoAt: 76, infoBytes: length });
    }
    const found = nothingFound();
    expect(findAttributes(wordsOf(Buffer.alloc(72)), 0, 72, found)).toBe(true);
    expect(found.infoBytes).toBe(0);
  });
});

/** Returns the bytes aligned to words, as the kernel's are. */
function wordsOf(bytes: Uint8Array): Uint32Array {
  return new Uint32Array(Uint8Array.from(bytes).buffer, 0, bytes.length >> 2);
}

/** Runs byte code as inet_diag_bc_run() of the kernel does, for ports and hosts. */
function runByteCode(
  code: Buffer,
  socket: { localPort: number; remotePort: number; remote: readonly number[] },
): boolean {
  let at = 0;
  while (at < code.length) {
    const [op, yes, no] = [code[at], code[at + 1] ?? 0, code.readUInt16LE(at + 2)];
    let matches = false;
    if (op === 2) matches = socket.localPort >= code.readUInt16LE(at + 6);
    else if (op === 3) matches = socket.localPort <= code.readUInt16LE(at + 6);
    else if (op === 4) matches = socket.remotePort >= code.readUInt16LE(at + 6);
    else if (op === 5) matches = socket.remotePort <= code.readUInt16LE(at + 6);
    else if (op === 8)
      matches = hasPrefix(socket.remote, code.subarray(at + 12, at + 16), code[at + 5] ?? 0);
    else if (op !== 1) throw new Error(`op ${op}`);
    at += matches ? yes : no;
  }
  return at === code.length;
}

function hasPrefix(address: readonly number[], prefix: Uint8Array, bits: number): boolean {
  for (let i = 0; i < bits; i++) {
    const mask = 0x80 >> (i % 8);
    if (((address[i >> 3] ?? 0) & mask) !== ((prefix[i >> 3] ?? 0) & mask)) return false;
  }
  return true;
}

/** As inet_diag_bc_audit() demands: every `no` lands on the chain of `yes`, or one op past the end. */
function passesAudit(code: Buffer): boolean {
  const chain = new Set<number>([code.length, code.length + 4]);
  for (let at = 0; at < code.length; at += code[at + 1] ?? 4) chain.add(at);
  for (let at = 0; at < code.length; at += code[at + 1] ?? 4)
    if (!chain.has(at + code.readUInt16LE(at + 2))) return false;
  return true;
}

describe("the byte code of a filter", () => {
  const port = fc.integer({ min: 0, max: 4 });
  const remote = fc.tuple(fc.constant(10), fc.nat(1), fc.nat(1), fc.nat(3));
  const condition: fc.Arbitrary<Condition> = fc.oneof(
    port.map((localPort) => ({ localPort })),
    port.map((remotePort) => ({ remotePort })),
    fc.tuple(remote, fc.nat(32)).map(([address, prefixLength]) => {
      return {
        remoteHost: { family: AF_INET, address: Uint8Array.from(address), prefixLength } as const,
      };
    }),
  );

  it("decides as the conditions read, and passes the kernel's audit", () => {
    const groups = fc.array(fc.array(condition, { minLength: 1, maxLength: 4 }), {
      minLength: 1,
      maxLength: 3,
    });
    fc.assert(
      fc.property(groups, port, port, remote, (wanted, localPort, remotePort, address) => {
        const code = compileFilter(wanted);
        const expected = wanted.every((group) =>
          group.some((one) => {
            if ("localPort" in one) return one.localPort === localPort;
            if ("remotePort" in one) return one.remotePort === remotePort;
            return (
              "remoteHost" in one &&
              hasPrefix(address, one.remoteHost.address, one.remoteHost.prefixLength)
            );
          }),
        );
        expect(passesAudit(code)).toBe(true);
        expect(runByteCode(code, { localPort, remotePort, remote: address })).toBe(expected);
      }),
      { numRuns: 1000 },
    );
  });

  it("is empty for a filter without conditions, and for one with too many", () => {
    expect(compileFilter([]).length).toBe(0);
    expect(compileFilter([[]]).length).toBe(0);
    expect(
      compileFilter([Array.from({ length: 65 }, (_, localPort) => ({ localPort }))]).length,
    ).toBe(0);
  });
});
