import { describe, expect, it } from "vitest";
import { Ending, notEnded } from "../../src/guard/ending.ts";
import type { Guarded } from "../../src/guard/guarded.ts";
import { SockDiag } from "../../src/kernel/netlink/sock-diag.ts";
import { AF_INET, SOCKID_BYTES, SockDiagId } from "../../src/kernel/netlink/sock-diag-id.ts";
import type { SystemPort } from "../../src/kernel/port/port.ts";
import { netlinkMessage } from "../survey/diag-message.ts";

const [EPERM, ENOENT, ESRCH, EBUSY, EOPNOTSUPP] = [1, 2, 3, 16, 95];
const ERROR = 2;
const SEQUENCE = 8;
const connection = { id: new SockDiagId(AF_INET, Buffer.alloc(SOCKID_BYTES, 1)) } as Guarded;

/** A kernel whose sock_diag answers each request with this errno, and whose sockets disconnect. */
class RefusingKernel {
  readonly told: string[] = [];
  disconnected = 0;
  readonly diag: SockDiag;
  readonly ending: Ending;

  constructor(errno: number, method: "destroy" | "disconnect" = "destroy") {
    let answer: Buffer = Buffer.alloc(0);
    const calls = {
      socket: () => 9,
      bind: () => 0,
      setsockopt: () => 0,
      close: () => 0,
      send: (_fd: number, request: Uint8Array) => {
        const payload = Buffer.alloc(4);
        payload.writeInt32LE(-errno);
        answer = netlinkMessage(ERROR, Buffer.from(request).readUInt32LE(SEQUENCE), payload);
        return request.length;
      },
      recv: (_fd: number, into: Uint8Array) => {
        into.set(answer);
        return answer.length;
      },
      connect: () => {
        this.disconnected++;
        return 0;
      },
    };
    const port = calls as unknown as SystemPort;
    this.diag = SockDiag.open(port) as SockDiag;
    this.ending = new Ending(port, method, (problem) => this.told.push(problem));
  }

  /** Ends so many connections, whose programs can be reached or not, and returns the errnos. */
  end(count: number, isReached = true): number[] {
    return Array.from({ length: count }, () =>
      this.ending.end(connection, this.diag, (work) => (isReached ? work(5) : ESRCH)),
    );
  }
}

describe("ending dead connections", () => {
  it.each([
    ["is missing in the kernel", EOPNOTSUPP, /CONFIG_INET_DIAG_DESTROY.*EOPNOTSUPP/],
    ["is refused", EPERM, /CAP_NET_ADMIN.*EPERM/],
  ])(
    "where SOCK_DESTROY %s: told once for a hundred sockets, and done through their descriptors",
    (_what, errno, words) => {
      const kernel = new RefusingKernel(errno);
      kernel.ending.try(kernel.diag);
      expect(kernel.disconnected).toBe(0);
      expect(kernel.end(100)).toEqual(Array(100).fill(0));
      expect(kernel.disconnected).toBe(100);
      expect(kernel.told).toEqual([expect.stringMatching(words)]);
      expect(kernel.told[0]).toContain("through duplicates of their programs' descriptors instead");
    },
  );

  it.each([EOPNOTSUPP, EPERM])(
    "where neither way is open (errno %i): told once, and each connection is reported, not each refusal",
    (errno) => {
      const kernel = new RefusingKernel(errno);
      expect(kernel.end(100, false)).toEqual(Array(100).fill(errno));
      expect(kernel.told.length).toBe(1);
      expect(notEnded(errno, "rule a: no sign of life for 5000 ms")).toEqual({
        action: "would-destroy",
        reason: "rule a: no sign of life for 5000 ms; it stays, because this guard may not end it",
      });
    },
  );

  it("knows before the first death that the kernel has no SOCK_DESTROY", () => {
    const kernel = new RefusingKernel(EOPNOTSUPP);
    kernel.ending.try(kernel.diag);
    kernel.ending.try(kernel.diag);
    expect(kernel.told.length).toBe(1);
  });

  it("says nothing where it can end, where the connection is gone, and where only descriptors were ever to be used", () => {
    for (const [errno, method] of [
      [0, "destroy"],
      [ENOENT, "destroy"],
      [EPERM, "disconnect"],
    ] as const) {
      const kernel = new RefusingKernel(errno, method);
      if (process.geteuid?.() === 0) kernel.ending.try(kernel.diag);
      expect(kernel.end(3)).toEqual(Array(3).fill(method === "destroy" ? errno : 0));
      expect(kernel.told).toEqual([]);
    }
  });

  it("reports an unexpected errno for its socket as an error", () => {
    const kernel = new RefusingKernel(EBUSY);
    expect(kernel.end(2)).toEqual([EBUSY, EBUSY]);
    expect(kernel.told).toEqual([]);
    expect(notEnded(EBUSY, "x").action).toBe("error");
  });
});
