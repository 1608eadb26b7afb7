import { ADDRESSES, MACS, MIDDLE_MACS, ROUTER } from "./addresses.ts";
import type { LabMachine, LabProcess } from "./lab-machine.ts";
import { Namespaces, type Place } from "./namespaces.ts";
import { neighbours } from "./neighbours.ts";
import type { WireCounts, WireSettings } from "./wire.ts";
import { WireClient } from "./wire-client.ts";

/**
 * Two hosts, `left` and `right`, and what lies between them, each in a network namespace of its
 * own.
 */
export class Network {
  readonly variant: Variant;
  readonly #namespaces: Namespaces;
  #wire: WireClient | null = null;

  private constructor(machine: LabMachine, number: number, variant: Variant) {
    this.variant = variant;
    this.#namespaces = new Namespaces(machine, `n${number}`);
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

  /** Returns the IPv4 or IPv6 address of a host. */
  address(host: Host, family: 4 | 6 = 4): string {
    const plan = this.variant === "router" ? ADDRESSES.routed : ADDRESSES.flat;
    return plan[host][family === 4 ? 0 : 1];
  }

  /**
   * Starts a program on a host; `unprivileged` takes every capability from it, as users have none.
   */
  spawn(
    host: Place,
    argv: readonly string[],
    options: { env?: Record<string, string>; unprivileged?: boolean } = {},
  ): Promise<LabProcess> {
    return this.#namespaces.spawn(host, argv, options);
  }

  /** Runs a command on a host to its end and returns its output. */
  run(host: Place, argv: readonly string[]): Promise<string> {
    return this.#namespaces.run(host, argv);
  }

  /** Pulls a cable at the switch. Our own carrier stays up, which is the realistic case. */
  pullCable(host: Host = "right"): Promise<unknown> {
    return this.#namespaces.ip("mid", [`link set ${host} down`]);
  }

  plugCable(host: Host = "right"): Promise<unknown> {
    return this.#namespaces.ip("mid", [`link set ${host} up`]);
  }

  linkDown(host: Host): Promise<unknown> {
    return this.#namespaces.ip(host, ["link set eth0 down"]);
  }

  removeAddresses(host: Host): Promise<unknown> {
    return this.#namespaces.ip(host, ["addr flush dev eth0"]);
  }

  async removeRoutes(host: Host): Promise<void> {
    for (const family of ["-4", "-6"])
      await this.run(host, ["ip", family, "route", "flush", "dev", "eth0"]);
  }

  /** Makes the router drop everything for the right host without a word. */
  async blackHole(): Promise<void> {
    await this.#namespaces.ip("mid", [
      `route add blackhole ${this.address("right")}/32`,
      `route add blackhole ${this.address("right", 6)}/128`,
    ]);
  }

  /**
   * Makes the NAT forget every flow. With nf_conntrack_tcp_loose=0 the NAT does not pick flows up
   * again in the middle.
   */
  async forgetFlows(): Promise<void> {
    await this.run("mid", ["conntrack", "-F"]);
  }

  /**
   * Puts a firewall in front of the right host that lets no keepalive probe through.
   *
   * After the handshake the firewall drops every segment, over IPv4 and IPv6, that has no data and
   * only the options that every segment has (timestamps). An acknowledgement of out-of-order data
   * is longer and passes.
   */
  async dropProbes(): Promise<void> {
    await this.#namespaces.sysctl("right", { "net.netfilter.nf_conntrack_acct": 1 });
    const isBare = "meta length { 52, 72 } tcp flags & (fin | syn | rst | psh | ack) == ack";
    const table = `table inet deaf { chain in { type filter hook input priority 0; ct original packets > 3 ${isBare} drop; }; }`;
    await this.run("right", ["nft", table]);
  }

  /** Makes the right host answer keepalive probes at most once in `everyMs`. */
  async limitProbeAnswers(everyMs: number): Promise<void> {
    await this.#namespaces.sysctl("right", { "net.ipv4.tcp_invalid_ratelimit": everyMs });
  }

  /** Has the left host's kernel search for the size that passes, as RFC 4821 says. */
  async searchMtu(): Promise<void> {
    await this.#namespaces.sysctl("left", { "net.ipv4.tcp_mtu_probing": 1 });
  }

  /**
   * Changes the faults of the wire; a loss of 1 cuts one direction. Resolves when the change holds,
   * with what the wire carried until then.
   */
  async setWire(settings: WireSettings): Promise<WireCounts> {
    if (!this.#wire)
      throw new Error(`a ${this.variant} has no wire; build the network with variant "wire"`);
    return this.#wire.set(settings);
  }

  /**
   * Takes the power from the right host. With `reboot` the host comes back with the same addresses
   * and without memory of its connections.
   *
   * The cable is pulled first, so that no segment of the dying host gets out. The namespace is new,
   * because orphaned sockets keep the old one alive.
   */
  async crashRight(processes: readonly LabProcess[], options: { reboot: boolean }): Promise<void> {
    await this.pullCable();
    await Promise.all(processes.map((process) => process.signal("SIGKILL")));
    await this.#namespaces.ip("right", ["link del eth0"]);
    if (!options.reboot) return;

    await this.#namespaces.renewRight();
    await this.#connect("right");
    await this.#configure("right");
    await this.#attach(["right"]);
  }

  async #lay(options: NetworkOptions): Promise<void> {
    await this.#namespaces.create();

    const hidesIpv6 = this.variant === "router" ? 0 : 1;
    await this.#namespaces.sysctl("mid", {
      "net.ipv6.conf.all.disable_ipv6": hidesIpv6,
      "net.ipv6.conf.default.disable_ipv6": hidesIpv6,
      "net.ipv6.conf.default.accept_dad": 0,
    });
    if (this.variant === "switch")
      await this.#namespaces.ip("mid", ["link add name switch type bridge", "link set switch up"]);

    for (const host of ["left", "right"] as const) await this.#connect(host);
    for (const host of ["left", "right"] as const) await this.#configure(host);
    await this.#attach(["left", "right"]);

    if (this.variant === "router") await this.#makeRouter(options.nat ?? false);
    if (this.variant === "wire")
      this.#wire = await WireClient.start(this.#namespaces, options.wire ?? {});
  }

  /** Lays the cable from a host to the middle. */
  #connect(host: Host): Promise<unknown> {
    const cable = `link add eth0 address ${MACS[host]} type veth peer name ${host} address ${MIDDLE_MACS[host]}`;
    return this.#namespaces.ip(host, [
      `${cable} netns ${this.#namespaces.nameOf("mid")}`,
      "link set lo up",
    ]);
  }

  async #configure(host: Host): Promise<void> {
    // Addresses must be usable at once, without duplicate address detection. The default congestion
    // control of this machine may need a privilege.
    await this.#namespaces.sysctl(host, {
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
    // Each packet is lost, delayed and measured by itself, as on a real cable.
    if (this.variant === "wire") lines.push("link set eth0 gso_max_segs 1");
    await this.#namespaces.ip(host, lines);
  }

  /** Joins the middle's ends of the cables. */
  async #attach(hosts: readonly Host[]): Promise<void> {
    const isRouter = this.variant === "router";
    const lines = hosts.flatMap((host) => [
      ...(this.variant === "switch" ? [`link set ${host} master switch`] : []),
      ...(isRouter
        ? [
            `addr add ${ROUTER[host][0]}/24 dev ${host}`,
            `addr add ${ROUTER[host][1]}/64 dev ${host} nodad`,
          ]
        : []),
      `link set ${host} up`,
      // A router that asks for a neighbour right after its link came up asks again a second later,
      // and the first round trip would be as long.
      ...(isRouter ? neighbours(host, "stale").mid : []),
    ]);
    await this.#namespaces.ip("mid", lines);
    if (!isRouter) return;
    for (const host of hosts) await this.#namespaces.ip(host, neighbours(host, "stale").host);
  }

  async #makeRouter(nat: boolean): Promise<void> {
    await this.#namespaces.sysctl("mid", {
      "net.ipv4.ip_forward": 1,
      "net.ipv6.conf.all.forwarding": 1,
      "net.ipv4.icmp_ratelimit": 0,
    });
    if (!nat) return;

    const rules = [
      "table inet nat { chain out { type nat hook postrouting priority 100; oifname right masquerade; }; }",
      "table inet guard { chain forward { type filter hook forward priority 0; ct state invalid drop; }; }",
    ];
    await this.#namespaces.run("mid", ["nft", "-f", "-"], rules.join("\n"));
    await this.#namespaces.sysctl("mid", { "net.netfilter.nf_conntrack_tcp_loose": 0 });
  }
}

/**
 * `switch`: two hosts and a bridge. `router`: a router between two networks. `wire`: a cable in
 * user space with delay and loss.
 */
export type Variant = "switch" | "router" | "wire";
export type Host = Exclude<Place, "mid">;

export interface NetworkOptions {
  readonly variant?: Variant;
  /** The router hides the left host behind its own address and forgets no flow by itself. */
  readonly nat?: boolean;
  readonly wire?: WireSettings;
}
