import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { nodeRelease } from "../../setup/node-release.ts";
import { describeWith } from "../../setup/requires.ts";

const run = promisify(execFile);
const CONFORMANCE = new URL("port.conformance.mjs", import.meta.url).pathname;

async function brokenPromises(node: string, backEnd: "koffi" | "node:ffi"): Promise<string[]> {
  const other = backEnd === "koffi" ? "node:ffi" : "koffi";
  const { stdout } = await run(node, [CONFORMANCE, backEnd], {
    env: { ...process.env, HALFOPEN_MASK: other },
  });
  const lines = stdout.trim().split("\n");
  expect(lines.length).toBeGreaterThan(15);
  return lines.filter((line) => !line.startsWith("ok "));
}

describe("the port to the OS", () => {
  it("keeps its promises through koffi", async () =>
    expect(await brokenPromises(process.execPath, "koffi")).toEqual([]));
});

await describeWith(["node 26"], "the port to the OS on Node 26", () => {
  it("keeps its promises through node:ffi", async () =>
    expect(await brokenPromises(await nodeRelease(26), "node:ffi")).toEqual([]));
  it("keeps its promises through koffi", async () =>
    expect(await brokenPromises(await nodeRelease(26), "koffi")).toEqual([]));
});
