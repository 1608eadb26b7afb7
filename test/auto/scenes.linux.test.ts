import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";

const run = promisify(execFile);
const AUTO = new URL("../../dist/auto/index.js", import.meta.url).href;
const SCENES = new URL("scenes.mjs", import.meta.url).pathname;

async function played(name: string, env: Record<string, string> = {}): Promise<unknown> {
  const { stdout } = await run(process.execPath, ["--import", AUTO, SCENES, name], {
    timeout: 20_000,
    env: { ...process.env, ...env },
  });
  return JSON.parse(stdout);
}

describe("halfopen/auto watches a socket that was", () => {
  it.concurrent.each([
    "sent by a child process",
    "accepted by a server that the parent sent",
    "upgraded and sent to a worker",
    "accepted in a cluster that shares by turns",
    "accepted in a cluster that shares the socket",
    "connected again in its 'close'",
    "connected again before its 'close'",
    "connected again after it was refused",
    "connected to the second of its addresses",
    "stripped of listeners before it is connected",
    "accepted by a TLS server stripped of listeners",
  ])("%s", async (name) => expect(await played(name)).toBe(true));
});

it("the error of a socket under TLS goes to the TLSSocket, which the program listens to", async () => {
  expect(await played("reset under TLS that was put over it")).toBe("ECONNRESET");
});

it("an error that nobody hears ends the process, unless HALFOPEN_ON_UNHEARD is warn", async () => {
  const name = "reset while nobody listens";
  await expect(played(name)).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringContaining("code: 'ECONNRESET'"),
  });
  expect(await played(name, { HALFOPEN_ON_UNHEARD: "warn" })).toBe(true);
});
