import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { describeWith } from "../setup/requires.ts";

const run = promisify(execFile);
const PROGRAM = new URL("audit-both-ways.mjs", import.meta.url).pathname;

await describeWith(["root", "bpf", "strace", "ip", "11000 descriptors"], "halfopen audit of 3200 sockets", () => {
  it("tells the same of each, whether root's sweep found it or a search by descriptors; no other command sweeps", async () => {
    const inside = ["--net", "--pid", "--fork", "--kill-child", "--mount-proc", process.execPath, PROGRAM];
    const { stdout } = await run("unshare", inside);
    expect(JSON.parse(stdout)).toEqual({
      connections: [3200, 3200],
      differing: [],
      settingsRead: 3200,
      swept: { loads: 1, runs: 1, duplicates: 0 },
      searched: { loads: 0, areDuplicated: true },
      watched: { loads: 1, runsAgain: true, duplicates: 0 },
      loadsOfOthers: [0, 0],
    });
  });
});
