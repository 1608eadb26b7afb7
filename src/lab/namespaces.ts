import type { LabMachine, LabProcess } from "./lab-machine.ts";

/** A network namespace: one of the two hosts, or what lies between them. */
export type Place = "left" | "mid" | "right";

/** The network namespaces of one network, and the commands that run inside them. */
export class Namespaces {
  readonly #machine: LabMachine;
  readonly #prefix: string;
  #right: string;

  /** `prefix` begins the names of the namespaces, so that networks do not share one. */
  constructor(machine: LabMachine, prefix: string) {
    this.#machine = machine;
    this.#prefix = prefix;
    this.#right = `${prefix}r`;
  }

  async create(): Promise<void> {
    const names = (["left", "mid", "right"] as const).map((place) => this.nameOf(place));
    await this.#machine.exec(
      ["ip", "-batch", "-"],
      names.map((name) => `netns add ${name}`).join("\n"),
    );
  }

  /** Makes `right` a new, empty namespace. Orphaned sockets may keep the old one alive. */
  async renewRight(): Promise<void> {
    this.#right = `${this.#right}r`;
    await this.#machine.exec(["ip", "netns", "add", this.#right]);
  }

  /** Returns the name by which `ip` knows the namespace. */
  nameOf(place: Place): string {
    return place === "right" ? this.#right : `${this.#prefix}${place[0]}`;
  }

  /** Starts a program; `unprivileged` takes every capability from it. */
  spawn(
    place: Place,
    argv: readonly string[],
    options: { env?: Record<string, string>; unprivileged?: boolean } = {},
  ): Promise<LabProcess> {
    const drop = options.unprivileged
      ? ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"]
      : [];
    return this.#machine.spawn([...this.#inside(place), ...drop, ...argv], options.env);
  }

  /** Runs a command to its end and returns its output. @throws Error when the command fails */
  run(place: Place, argv: readonly string[], input?: string): Promise<string> {
    return this.#machine.exec([...this.#inside(place), ...argv], input);
  }

  /** Runs lines of `ip -batch`. */
  ip(place: Place, lines: readonly string[]): Promise<string> {
    return this.#machine.exec(["ip", "-n", this.nameOf(place), "-batch", "-"], lines.join("\n"));
  }

  /**
   * Sets kernel settings by `tee`, because not every machine has sysctl. /proc/sys/net shows the
   * namespace of the process that opens it.
   */
  async sysctl(place: Place, values: Readonly<Record<string, string | number>>): Promise<void> {
    for (const [name, value] of Object.entries(values))
      await this.run(place, ["tee", `/proc/sys/${name.replaceAll(".", "/")}`], `${value}`);
  }

  /** nsenter leaves the mounts alone, unlike `ip netns exec`. */
  #inside(place: Place): string[] {
    return ["nsenter", `--net=/run/netns/${this.nameOf(place)}`, "--"];
  }
}
