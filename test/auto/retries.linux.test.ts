import { readFileSync } from "node:fs";
import type { Socket } from "node:net";
import { afterAll, describe, expect, it } from "vitest";
import { DeadPeerError } from "../../src/core/errors.ts";
import { watchAll } from "../../src/index.ts";
import { systemErrorOf } from "../../src/kernel/system/system-error.ts";
import { deadPeerError } from "../../src/testing/dead-peer-error.ts";
import { LIBRARIES } from "./retrying-clients.mjs";

const PAGE = readFileSync(new URL("../../docs/retries.md", import.meta.url), "utf8");
/** Finds the client's end of each connection. */
const clients = watchAll({ servers: false });
afterAll(() => clients.close());

const ours = (as: string | null) => () =>
  new DeadPeerError(deadPeerError().diagnosis, { as: systemErrorOf(as) });

/** As Node makes it of what the kernel says. */
const kernels = (code: string) => () => {
  const error = new Error(`read ${code}`);
  return Object.assign(error, { ...systemErrorOf(code), syscall: "read" });
};

const COLUMNS: readonly (() => Error)[] = [
  ours(null),
  ours("ECONNRESET"),
  kernels("ECONNRESET"),
  kernels("ETIMEDOUT"),
  kernels("EPIPE"),
];

/** Ends the client's socket of a connection with an error, as its watch or the kernel would. */
function ender(error: Error): (accepted: Socket) => void {
  return ({ remotePort }) => {
    const found = [...clients].find(({ socket }) => socket.localPort === remotePort);
    if (!found) throw new Error(`no client has the port ${remotePort}`);
    found.socket.destroy(error);
  };
}

describe("docs/retries.md says what happens to a request whose connection ends:", () => {
  it.concurrent.each(Object.entries(LIBRARIES))("%s", async (name, request) => {
    const outcomes: string[] = [];
    for (const make of COLUMNS) {
      const error = make();
      outcomes.push(await request(ender(error), error));
    }
    const row = `| ${name} | ${outcomes.join(" | ")} |`;
    expect(PAGE.split("\n")).toContain(row);
  });

  it("and has no row that nothing holds", () => {
    const [, table = ""] = PAGE.split("|---|---|---|---|---|---|\n");
    const named = (table.split("\n\n")[0] ?? "")
      .trim()
      .split("\n")
      .map((row) => row.split(" | ")[0]);
    expect(named).toEqual(Object.keys(LIBRARIES).map((name) => `| ${name}`));
  });
});
