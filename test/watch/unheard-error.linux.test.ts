import { execFile } from "node:child_process";
import { describe, expect, it } from "vitest";

const PROGRAM = new URL("unheard.mjs", import.meta.url).pathname;

interface Ended {
  readonly code: number;
  readonly result: unknown;
  readonly stderr: string;
}

function run(name: string, onUnheard: "throw" | "warn"): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [PROGRAM, name, onUnheard],
      { timeout: 20_000 },
      (error, out, stderr) =>
        resolve({
          code: error ? (error.code as number) : 0,
          result: out === "" ? null : JSON.parse(out),
          stderr,
        }),
    );
  });
}

/** Where nobody listens, and what the program sees of it if it goes on. */
const UNHEARD = [
  ["a socket", { hadError: true, own: false }],
  ["a TLS socket", { hadError: true }],
  ["an http request", { statusCode: 200 }],
  ["an http2 session", { destroyed: true, status: 200 }],
  ["a rejected promise", { hadError: true }],
  ["a rejected promise of a client that wraps the error", { hadError: true }],
] as const;

describe("the error of a dead peer that nobody listens for", () => {
  it.concurrent.each(UNHEARD)("ends the process, as the kernel's own would: %s", async (name) => {
    const { code, result, stderr } = await run(name, "throw");
    expect({ code, result }).toEqual({ code: 1, result: null });
    expect(stderr).toContain("DeadPeerError");
  });

  it.concurrent.each(UNHEARD)(
    "is a warning with onUnheard 'warn', and the program goes on: %s",
    async (name, expected) => {
      const { code, result, stderr } = await run(name, "warn");
      expect({ code, result }).toEqual({ code: 0, result: expected });
      expect(stderr.match(/\[HALFOPEN_UNHEARD_ERROR\] HalfOpenWarning: .*/g)).toEqual([
        expect.stringContaining("127.0.0.1"),
      ]);
    },
  );
});

describe("onUnheard 'warn'", () => {
  it.concurrent("leaves the program's own errors as they are", async () => {
    const { code, stderr } = await run("an error of its own, after a forgiven one", "warn");
    expect(code).toBe(1);
    expect(stderr).toContain("Error: of the program");
  });

  it.concurrent("leaves the error to a program that handles uncaught exceptions", async () => {
    const { result, stderr } = await run("a handler of uncaught exceptions", "warn");
    expect(result).toEqual({ code: "ERR_PEER_DEAD" });
    expect(stderr).not.toContain("HALFOPEN_UNHEARD_ERROR");
  });

  it.concurrent("warns once for each address", async () => {
    const { result } = await run("three sockets to one address", "warn");
    expect(result).toEqual({ warnings: ["HALFOPEN_UNHEARD_ERROR"] });
  });
});
