import { describe, expect, it } from "vitest";
import type { SystemPort } from "../../src/kernel/port/port.ts";
import { ForeignProcess } from "../../src/kernel/process/pidfd.ts";

const ESRCH = 3;
const EBADF = 9;
const EPERM = 1;
const ENOSYS = 38;
const COOKIE = Uint8Array.from([1, 2, 3, 4, 5, 6, 7, 8]);

/** A kernel that returns these results and tracks the open descriptors. */
class AnsweringPort {
  readonly open: Set<number> = new Set();
  readonly #answers: { pidfd?: number; getfd?: number; cookie?: Uint8Array };

  constructor(answers: { pidfd?: number; getfd?: number; cookie?: Uint8Array }) {
    this.#answers = answers;
  }

  get port(): SystemPort {
    const take = (fd: number): number => {
      if (fd >= 0) this.open.add(fd);
      return fd;
    };
    const calls = {
      pidfdOpen: () => take(this.#answers.pidfd ?? 10),
      pidfdGetfd: () => take(this.#answers.getfd ?? 11),
      getsockopt: (_fd: number, _level: number, _option: number, into: Uint8Array) => {
        into.set(this.#answers.cookie ?? COOKIE);
        return 8;
      },
      close: (fd: number) => {
        this.open.delete(fd);
        return 0;
      },
    };
    return calls as unknown as SystemPort;
  }
}

function reach(kernel: AnsweringPort): { result: unknown; touched: number[] } {
  const touched: number[] = [];
  const process = ForeignProcess.open(kernel.port, 1234);
  if (typeof process === "number") return { result: process, touched };
  const result = process.withSocket(5, COOKIE, (fd) => touched.push(fd));
  process.close();
  return { result, touched };
}

describe("another process's socket", () => {
  it("is touched when it is the one that was meant", () => {
    const kernel = new AnsweringPort({});
    expect(reach(kernel).touched).toEqual([11]);
    expect(kernel.open.size).toBe(0);
  });

  it.each([
    [
      "the descriptor is another socket by now",
      { cookie: Uint8Array.from([9, 2, 3, 4, 5, 6, 7, 8]) },
      -EBADF,
    ],
    ["the descriptor was closed", { getfd: -EBADF }, -EBADF],
    ["the process ended after the connection was found", { getfd: -ESRCH }, -ESRCH],
    ["the process was gone already", { pidfd: -ESRCH }, -ESRCH],
    ["it is not permitted", { getfd: -EPERM }, -EPERM],
    ["a sandbox knows no pidfd_getfd", { getfd: -ENOSYS }, -ENOSYS],
    ["a sandbox knows no pidfd_open", { pidfd: -ENOSYS }, -ENOSYS],
  ])("is not touched, and nothing stays open, when %s", (_why, answers, errno) => {
    const kernel = new AnsweringPort(answers);
    expect(reach(kernel)).toEqual({ result: errno, touched: [] });
    expect(kernel.open.size).toBe(0);
  });
});
