import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { DescriptorSweep } from "../../src/kernel/descriptor-sweep.ts";
import { openPort } from "../../src/kernel/open-port.ts";
import type { SystemPort } from "../../src/kernel/port.ts";
import { describeWith } from "../setup/requires.ts";

/** include/uapi/linux/bpf.h */
const [LOAD, LINK, ITERATE] = [5, 28, 33];
const EPERM = 1;

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const DIST = new URL("../../dist/", import.meta.url).href;
const run = promisify(execFile);
const port = openPort() as SystemPort;

/** What a program prints that has `port` and `sweep`. */
async function printedBy(program: string, command: readonly string[], ...nodeOptions: string[]): Promise<unknown> {
  const head = `
    import { openPort } from "${DIST}kernel/open-port.js";
    import { DescriptorSweep } from "${DIST}kernel/descriptor-sweep.js";
    const sweep = new DescriptorSweep(openPort());
  `;
  const [file = "", ...args] = [...command, process.execPath, ...nodeOptions, "--input-type=module", "-e", head + program];
  return JSON.parse((await run(file, args)).stdout);
}

await describeWith(["root", "bpf", "setpriv"], "a sweep", () => {
  it("serves many looks with one program, and once refused is not tried again", () => {
    const commands: number[] = [];
    let isForbidden = false;
    const sweep = new DescriptorSweep({
      ...port,
      bpf(command, attributes) {
        commands.push(command);
        return isForbidden ? -EPERM : port.bpf(command, attributes);
      },
    });
    expect([sweep.run(), sweep.run()]).not.toContain(null);
    expect(commands).toEqual([LOAD, LINK, ITERATE, LINK, ITERATE]);
    isForbidden = true;
    expect({ first: sweep.run(), second: sweep.run(), isPrepared: sweep.prepare() }).toEqual({
      first: null,
      second: null,
      isPrepared: false,
    });
    expect(commands.slice(5)).toEqual([LINK]);
  });

  it("whose program the kernel refuses is not written again", () => {
    let loads = 0;
    const sweep = new DescriptorSweep({
      ...port,
      bpf() {
        loads++;
        return -EPERM;
      },
    });
    expect({ first: sweep.prepare(), second: sweep.prepare(), run: sweep.run() }).toEqual({ first: false, second: false, run: null });
    expect(loads).toBe(1);
  });

  it("tells pids as /proc does, or is not tried", async () => {
    const inside = (...options: string[]) =>
      printedBy(
        `
        const pids = new Set();
        sweep.run()?.forEach(({ pid }) => pids.add(pid));
        console.log(JSON.stringify([process.pid, ...pids]));`,
        ["unshare", "--pid", "--fork", ...options],
      );
    expect(await inside("--mount-proc")).toEqual([1, 1]);
    expect(await inside()).toEqual([1]);
  });

  it.each([
    ["", true],
    ["-dac_override", true],
    ["-sys_ptrace", false],
    ["-dac_read_search,-dac_override", false],
  ])("is no way to what a search may not look into: capabilities without %j", async (without, isUsed) => {
    const setpriv = ["setpriv", `--bounding-set=${without || "+all"}`, "--inh-caps=-all"];
    expect(await printedBy("console.log(sweep.prepare())", setpriv)).toBe(isUsed);
  });

  it("is given up where Node's permission model hides the description of types", async () => {
    const flag = process.allowedNodeEnvironmentFlags.has("--permission") ? "--permission" : "--experimental-permission";
    const allowed = ["--no-warnings", flag, "--allow-addons", `--allow-fs-read=${ROOT}`, "--allow-fs-read=/proc/"];
    expect(await printedBy("console.log(sweep.prepare())", [], ...allowed)).toBe(false);
  });

  it("is closed also when nobody ran it", () => {
    let left = 0;
    const sweep = new DescriptorSweep({
      ...port,
      bpf(command, attributes) {
        left++;
        return port.bpf(command, attributes);
      },
      close(fd) {
        left--;
        return port.close(fd);
      },
    });
    expect({ isPrepared: sweep.prepare(), left }).toEqual({ isPrepared: true, left: 1 });
    sweep.close();
    sweep.close();
    expect(left).toBe(0);
  });
});
