import { describe, expect, it } from "vitest";
import { CgroupPattern, cgroupIn, cgroupOf } from "../../src/survey/cgroup.ts";

const DOCKER = "/system.slice/docker-3f2a9c.scope";
const POD =
  "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod7c.slice/cri-containerd-a1.scope";

describe("a process's control group", () => {
  it.each([
    ["version 2", "0::/system.slice/nginx.service\n", "/system.slice/nginx.service"],
    ["version 1", "12:memory:/docker/3f2a\n5:cpu,cpuacct:/docker/3f2a\n", "/docker/3f2a"],
    ["both, of which version 2 is not used", "9:pids:/lxc/web\n0::/\n", "/lxc/web"],
    ["named hierarchies", "1:name=systemd:/user.slice/a:b\n0::/\n", "/user.slice/a:b"],
    [
      "a cgroup namespace of our own",
      "0::/../../../x.slice/c.scope\n",
      "/../../../x.slice/c.scope",
    ],
    ["the root", "0::/\n", "/"],
    ["nothing", "", null],
  ])("is read with %s", (_what, text, cgroup) => {
    expect(cgroupIn(text)).toBe(cgroup);
  });

  it.runIf(process.platform === "linux")("is that of a running process, or null", () => {
    expect(cgroupOf(process.pid)).toMatch(/^\//);
    expect(cgroupOf(2 ** 22)).toBeNull();
  });
});

describe("a choice of control groups", () => {
  it.each([
    ["/system.slice", DOCKER, true],
    ["/system.slice/", DOCKER, true],
    ["/system", DOCKER, false],
    ["*docker-3f2a*", DOCKER, true],
    ["*docker-3f2b*", DOCKER, false],
    ["*/docker-??????.scope", `${DOCKER}/init.scope`, true],
    ["*/docker-?????.scope", DOCKER, false],
    ["/kubepods.slice", POD, true],
    ["*pod7c.slice", POD, true],
    ["/../*pod7c.slice", `/..${POD}`, true],
    ["/kubepods.slice/*.scope", POD, true],
    ["/", DOCKER, true],
    ["/", "/", true],
    ["/a.b", "/axb", false],
    ["/a(b)[c]+", "/a(b)[c]+", true],
  ])("%s of %s: %s", (pattern, cgroup, isChosen) => {
    expect(new CgroupPattern(pattern).matches(cgroup)).toBe(isChosen);
  });
});
