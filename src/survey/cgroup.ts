import { readFileSync } from "node:fs";

/**
 * Returns the control group of a process: `/system.slice/docker-3f2a.scope`. Container runtimes
 * make one for each container, and without privilege no process leaves it. Relative to this
 * process's own cgroup namespace, as the kernel gives it (cgroup_namespaces(7)). Under version 1
 * the longest of its groups. `null` when the process is gone, or the kernel has no cgroups.
 */
export function cgroupOf(pid: number): string | null {
  try {
    return cgroupIn(readFileSync(`/proc/${pid}/cgroup`, "utf8"));
  } catch {
    return null;
  }
}

/** The same, from the text of /proc/PID/cgroup. */
export function cgroupIn(text: string): string | null {
  // HIERARCHY:CONTROLLERS:PATH, one a line (cgroups(7)). The kernel escapes newlines in a path.
  let longest: string | null = null;
  for (const line of text.split("\n")) {
    const path = /^\d+:[^:]*:(\/.*)$/.exec(line)?.[1];
    if (path !== undefined && path.length > (longest?.length ?? 0)) longest = path;
  }
  return longest;
}

/**
 * A choice of control groups. Chooses the group that it names, and all groups below. `*` stands for
 * any text, slashes too, and `?` for one character.
 */
export class CgroupPattern {
  readonly text: string;
  readonly #shape: RegExp;

  constructor(text: string) {
    this.text = text;
    const shape = text
      .replace(/\/+$/, "")
      .replace(/[.+^${}()|[\]\\]/g, "\\$&")
      .replace(/\*+/g, ".*")
      .replaceAll("?", ".");
    this.#shape = new RegExp(`^${shape}(?:/.*)?$`, "s");
  }

  matches(cgroup: string): boolean {
    return this.#shape.test(cgroup);
  }
}
