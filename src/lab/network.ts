import { fileURLToPath } from "node:url";
import { DIST, type LabMachine, type LabProcess } from "./lab-machine.ts";
import type { WireCounts, WireSettings } from "./wire.ts";

/**
 * `switch`: two hosts and a bridge. `router`: a router between two networks. `wire`: a cable with
 * delay and loss of our making.
 */
export type Variant = "switch" | "router" | "wire";
export type Host = "left" | "right";

export interface NetworkOptions {
  readonly variant?: Variant;
  /** The router hides the left host behind its own address and forgets nothing by itself. */
  readonly nat?: boolean;
  readonly wire?: WireSettings;
}

/** The same for every network: each has namespaces of its own. */
const ADDRESSES = {
  flat: { left: ["10.77.0.1", "fd77::1"], right: ["10.77.0.2", "fd77::2"] },
  routed: { left: ["10.77.1.1", "fd77:1::1"], right: ["10.77.2.1", "fd77:2::1"] },
} as const;
const MACS = { left: "02:77:00:00:00:01", right: "02:77:00:00:00:02" } as const;
const ROUTER = {
  left: ["10.77.1.254", "fd77:1::fe"],
  right: ["10.77.2.254", "fd77:2::fe"],
} as const;

/**
 * Two hosts, `left` and `right`, and what lies between them, each in a network namespace of its
 * own.
 */
export class Network {
  readonly variant: Variant;
  readonly #machine: LabMachine;
  readonly #prefix: string;
  #right: string;
  #wire: LabProcess | null = null;
  /** Who waits for a line of the wire, in the order of asking. */
  readonly #wireAsked: ((answer: string | Error) => void)[] = [];

  private constructor(machine: LabMachine, number: number, variant: Variant) {
    this.#machine = machine;
    this.variant = variant;
    this.#prefix = `n${number}`;
    this.#right = `${this.#prefix}r`;
  }

  static async build(
    machine: LabMachine,
    number: number,
    options: NetworkOptions,
  ): Promise<Network> {
    const network = new Network(machine, number, options.variant ?? "switch");
    await network.#lay(options);
    return network;
  }

  /** The address of a host, IPv4 or IPv6. */
  address(host: Host, family: 4 | 6 = 4): string {
    const plan = this.variant === "router" ? ADDRESSES.routed : ADDRESSES.flat;
    return plan[host][family === 4 ? 0 : 1];
  }

  /**
   * Starts a program on a host. `unprivileged` takes every capability from it, as a user's program
   * has none.
   */
  spawn(
    host: Host | "mid",
    argv: readonly string[],
    options: { env?: Record<string, string>; unprivileged?: boolean } = {},
  ): Promise<LabProcess> {
    const drop = options.unprivileged
      ? ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"]
      : [];
    return this.#machine.spawn([...this.#inside(host), ...drop, ...argv], options.env);
  }

  /** Runs a command on a host to its end and returns its output. */
  run(host: Host | "mid", argv: readonly string[]): Promise<string> {
    return this.#machine.exec([...this.#inside(host), ...argv]);
  }

  /** Pulls the peer's cable out of the switch: our own carrier stays up, the realistic case. */
  pullCable(host: Host = "right"): Promise<unknown> {
    return this.#ip("mid", [`link set ${host} down`]);
  }

  plugCable(host: Host = "right"): Promise<unknown> {
    return this.#ip("mid", [`link set ${host} up`]);
  }

  linkDown(host: Host): Promise<unknown> {
    return this.#ip(host, ["link set eth0 down"]);
  }

  removeAddresses(host: Host): Promise<unknown> {
    return this.#ip(host, ["addr flush dev eth0"]);
  }

  async removeRoutes(host: Host): Promise<void> {
    for (const family of ["-4", "-6"])
      await this.#machine.exec([
        "ip",
        "-n",
        this.#name(host),
        family,
        "route",
        "flush",
        "dev",
        "eth0",
      ]);
  }

  /** The router drops what goes to the right host, without a word. */
  async blackHole(): Promise<void> {
    await this.#ip("mid", [
      `route add blackhole ${this.address("right")}/32`,
      `route add blackhole ${this.address("right", 6)}/128`,
    ]);
  }

  /**
   * The NAT forgets every flow; with nf_conntrack_tcp_loose=0 it does not learn them anew from the
   * middle.
   */
  async forgetFlows(): Promise<void> {
    await this.run("mid", ["conntrack", "-F"]);
  }

  /**
   * A firewall in front of the right host that lets no keepalive probe through: behind the
   * handshake it drops every segment without data and with the options of every segment
   * (timestamps), over IPv4 and IPv6. What acknowledges out of order is longer and passes.
   */
  async dropProbes(): Promise<void> {
    await this.#sysctl("right", { "net.netfilter.nf_conntrack_acct": 1 });
    const isBare = "meta length { 52, 72 } tcp flags & (fin | syn | rst | psh | ack) == ack";
    const table = `table inet deaf { chain in { type filter hook input priority 0; ct original packets > 3 ${isBare} drop; }; }`;
    await this.run("right", ["nft", table]);
  }

  /** The right host answers a keepalive probe only so long after the last one that it answered. */
  async limitProbeAnswers(everyMs: number): Promise<void> {
    await this.#sysctl("right", { "net.ipv4.tcp_invalid_ratelimit": everyMs });
  }

  /**
   * Changes delay and loss of a wire, or makes it deaf one way with a loss of 1. Resolves when it
   * is so, with what it carried until then.
   */
  async setWire(settings: WireSettings): Promise<WireCounts> {
    if (!this.#wire) throw new Error(`a ${this.variant} has no wire; ask for the variant "wire"`);
    const answer = this.#wireSays();
    await this.#wire.write(JSON.stringify(settings));
    return JSON.parse(await answer) as WireCounts;
  }

  /**
   * The right host loses power and, with `reboot`, comes back with the same addresses but no memory
   * of its connections. The cut comes first so that nothing it says while dying gets out; the
   * namespace is new because orphaned sockets keep the old one alive.
   */
  async crashRight(processes: readonly LabProcess[], options: { reboot: boolean }): Promise<void> {
    await this.pullCable();
    await Promise.all(processes.map((process) => process.signal("SIGKILL")));
    await this.#ip("right", ["link del eth0"]);
    if (!options.reboot) return;
    this.#right = `${this.#right}r`;
    await this.#machine.exec(["ip", "netns", "add", this.#right]);
    await this.#connect("right");
    await this.#configure("right");
    await this.#attach(["right"]);
  }

  async #lay(options: NetworkOptions): Promise<void> {
    const names = (["left", "mid", "right"] as const).map((host) => this.#name(host));
    await this.#machine.exec(
      ["ip", "-batch", "-"],
      names.map((name) => `netns add ${name}`).join("\n"),
    );
    const hidesIpv6 = this.variant === "router" ? 0 : 1;
    await this.#sysctl("mid", {
      "net.ipv6.conf.all.disable_ipv6": hidesIpv6,
      "net.ipv6.conf.default.disable_ipv6": hidesIpv6,
      "net.ipv6.conf.default.accept_dad": 0,
    });
    if (this.variant === "switch")
      await this.#ip("mid", ["link add name switch type bridge", "link set switch up"]);
    for (const host of ["left", "right"] as const) await this.#connect(host);
    for (const host of ["left", "right"] as const) await this.#configure(host);
    await this.#attach(["left", "right"]);
    if (this.variant === "router") await this.#makeRouter(options.nat ?? false);
    if (this.variant === "wire") await this.#startWire(options.wire ?? {});
  }

  #connect(host: Host): Promise<unknown> {
    return this.#ip(host, [
      `link add eth0 address ${MACS[host]} type veth peer name ${host} netns ${this.#name("mid")}`,
      "link set lo up",
    ]);
  }

  async #configure(host: Host): Promise<void> {
    // Addresses must be usable at once (no duplicate address detection), and the host's default
    // congestion control may need a privilege.
    await this.#sysctl(host, {
      "net.ipv6.conf.all.accept_dad": 0,
      "net.ipv6.conf.default.accept_dad": 0,
      "net.ipv6.conf.eth0.accept_dad": 0,
      "net.ipv4.tcp_congestion_control": "reno",
    });
    const lines = [
      `addr add ${this.address(host)}/24 dev eth0`,
      `addr add ${this.address(host, 6)}/64 dev eth0 nodad`,
      "link set eth0 up",
    ];
    if (this.variant === "router")
      lines.push(
        `route add default via ${ROUTER[host][0]}`,
        `route add default via ${ROUTER[host][1]}`,
      );
    await this.#ip(host, lines);
  }

  #attach(hosts: readonly Host[]): Promise<unknown> {
    const lines = hosts.flatMap((host) => [
      ...(this.variant === "switch" ? [`link set ${host} master switch`] : []),
      ...(this.variant === "router"
        ? [
            `addr add ${ROUTER[host][0]}/24 dev ${host}`,
            `addr add ${ROUTER[host][1]}/64 dev ${host} nodad`,
          ]
        : []),
      `link set ${host} up`,
    ]);
    return this.#ip("mid", lines);
  }

  async #makeRouter(nat: boolean): Promise<void> {
    await this.#sysctl("mid", {
      "net.ipv4.ip_forward": 1,
      "net.ipv6.conf.all.forwarding": 1,
      "net.ipv4.icmp_ratelimit": 0,
    });
    if (!nat) return;
    const rules = [
      "table inet nat { chain out { type nat hook postrouting priority 100; oifname right masquerade; }; }",
      "table inet guard { chain forward { type filter hook forward priority 0; ct state invalid drop; }; }",
    ];
    await this.#machine.exec([...this.#inside("mid"), "nft", "-f", "-"], rules.join("\n"));
    await this.#sysctl("mid", { "net.netfilter.nf_conntrack_tcp_loose": 0 });
  }

  async #startWire(settings: WireSettings): Promise<void> {
    const program = fileURLToPath(new URL("wire-process.js", DIST));
    const wire = await this.spawn("mid", [
      process.execPath,
      program,
      "left",
      "right",
      JSON.stringify(settings),
    ]);
    const ready = this.#wireSays();
    wire.onLine((line) => this.#wireAsked.shift()?.(line));
    wire.onExit(() => {
      for (const settle of this.#wireAsked.splice(0))
        settle(new Error(`the wire broke: ${wire.errors.join(" ")}`));
    });
    await ready;
    this.#wire = wire;
  }

  #wireSays(): Promise<string> {
    return new Promise((resolve, reject) => {
      this.#wireAsked.push((answer) =>
        typeof answer === "string" ? resolve(answer) : reject(answer),
      );
    });
  }

  #name(host: Host | "mid"): string {
    return host === "right" ? this.#right : `${this.#prefix}${host[0]}`;
  }

  /** nsenter instead of `ip netns exec`: it leaves the mounts alone. */
  #inside(host: Host | "mid"): string[] {
    return ["nsenter", `--net=/run/netns/${this.#name(host)}`, "--"];
  }

  #ip(host: Host | "mid", lines: readonly string[]): Promise<string> {
    return this.#machine.exec(["ip", "-n", this.#name(host), "-batch", "-"], lines.join("\n"));
  }

  /**
   * tee, since sysctl is not on every machine: /proc/sys/net shows the namespace of the process
   * that opens it.
   */
  async #sysctl(
    host: Host | "mid",
    values: Readonly<Record<string, string | number>>,
  ): Promise<void> {
    for (const [name, value] of Object.entries(values)) {
      await this.#machine.exec(
        [...this.#inside(host), "tee", `/proc/sys/${name.replaceAll(".", "/")}`],
        `${value}`,
      );
    }
  }
}
