import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { describeWith } from "../setup/requires.ts";

const PROGRAM = new URL("heartbeat-crowd.mjs", import.meta.url).pathname;
const CONNECTIONS = 10_000;

await describeWith(["11000 descriptors"], "a crowd of connections with heartbeats", () => {
  it("is checked, answers, closes, and leaves no memory behind", { timeout: 120_000 }, async () => {
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [
      "--expose-gc",
      PROGRAM,
      `${CONNECTIONS}`,
    ]);
    const { unhandled, suspects, deaths, fewest, startBytes, endBytes } = JSON.parse(stdout);
    console.log(
      `${CONNECTIONS} connections: heap ${startBytes} bytes at the start, ${endBytes} at the end`,
    );
    expect({ unhandled, suspects, deaths, stderr }).toEqual({
      unhandled: 0,
      suspects: 0,
      deaths: 0,
      stderr: "",
    });
    expect(fewest).toBeGreaterThanOrEqual(3);
    expect(endBytes / startBytes).toBeLessThan(1.05);
  });
});
