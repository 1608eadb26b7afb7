/**
 * A small world in which connections are watched: the path, what the programs do, and what befalls
 * them. Plain data, all instants in ms after the connections were made. The oracle derives from it
 * alone who lives and what is promised.
 */
export interface World {
  readonly budgetMs: number;
  /** The kernel has TCP_RTO_MAX_MS (Linux 6.15). */
  readonly hasRtoCap: boolean;
  readonly onDead: "reset" | "report";
  readonly rttMs: number;
  /** Share of packets that is lost, each way. */
  readonly loss: number;
  /** The peer answers at most one probe in this time (net.ipv4.tcp_invalid_ratelimit). */
  readonly answersEveryMs: number;
  /** Connections to one address and port of the peer. */
  readonly connections: readonly Talk[];
  /** Options that the program has set before the watch. */
  readonly program: ProgramOptions;
  readonly events: readonly WorldEvent[];
  /** How long the world lasts; longer where a death has to be found. */
  readonly forMs: number;
  /** Seeds what is drawn while the world runs: which packets are lost. */
  readonly seed: number;
}

/** What the programs at both ends do on a connection. 0: never. */
export interface Talk {
  readonly writeEveryMs: number;
  /** The peer's program answers each write. */
  readonly isAnswered: boolean;
  readonly peerWritesEveryMs: number;
}

export interface ProgramOptions {
  /** `null`: off. */
  readonly keepalive: {
    readonly idleS: number;
    readonly intervalS: number;
    readonly count: number;
  } | null;
  readonly userTimeoutMs: number;
}

/** Something that befalls the world at `atMs`. `on`: only that connection. */
export type WorldEvent =
  /** No packet passes until `toMs`: neither way, or one way only. */
  | { readonly is: "outage"; readonly atMs: number; readonly toMs: number; readonly way: Way }
  /** The peer's host is gone. */
  | { readonly is: "death"; readonly atMs: number }
  /** A NAT or firewall forgets one connection, and drops its packets. */
  | { readonly is: "forgotten"; readonly atMs: number; readonly on: number }
  /** The peer's host was restarted, and knows no connection any more. */
  | { readonly is: "reboot"; readonly atMs: number; readonly toMs: number }
  /** The round trip is another until `toMs`. */
  | { readonly is: "delay"; readonly atMs: number; readonly toMs: number; readonly rttMs: number }
  /** Another share of packets is lost until `toMs`. */
  | { readonly is: "loss"; readonly atMs: number; readonly toMs: number; readonly loss: number }
  /** Segments without data do not reach the peer until `toMs`. */
  | { readonly is: "deaf"; readonly atMs: number; readonly toMs: number }
  /** The peer's program reads nothing until `toMs`, and its window closes. */
  | { readonly is: "unread"; readonly atMs: number; readonly toMs: number; readonly on: number }
  /** The peer's program stands still until `toMs`; its kernel goes on. */
  | { readonly is: "hung"; readonly atMs: number; readonly toMs: number }
  /** Our process stands still until `toMs`. */
  | { readonly is: "paused"; readonly atMs: number; readonly toMs: number }
  /** A full queue of this host refuses every packet until `toMs`. */
  | { readonly is: "stuck"; readonly atMs: number; readonly toMs: number }
  /** Our program writes once. */
  | { readonly is: "write"; readonly atMs: number; readonly on: number }
  /** Our program switches keepalive on or off by itself; on: with this idle time. */
  | {
      readonly is: "keepalive";
      readonly atMs: number;
      readonly on: number;
      readonly idleS: number;
    };

export type Way = "both" | "out" | "back";

/** Returns the events of one kind. */
export function eventsOf<Kind extends WorldEvent["is"]>(
  { events }: World,
  kind: Kind,
): Extract<WorldEvent, { is: Kind }>[] {
  return events.filter((event) => event.is === kind) as Extract<WorldEvent, { is: Kind }>[];
}

/** Returns the round trip of what leaves at `at`. The latest change holds. */
export function rttAt(world: World, at: number): number {
  let rttMs = world.rttMs;
  for (const event of world.events)
    if (event.is === "delay" && at >= event.atMs && at < event.toMs) rttMs = event.rttMs;
  return rttMs;
}

/** Returns the share of packets that is lost at `at`, each way. */
export function lossAt(world: World, at: number): number {
  let { loss } = world;
  for (const event of world.events)
    if (event.is === "loss" && at >= event.atMs && at < event.toMs) loss = event.loss;
  return loss;
}

/** How often Linux answers probes at most (net.ipv4.tcp_invalid_ratelimit). */
export const ANSWERS_EVERY_MS = 500;

/** No world lasts longer. */
export const LONGEST_MS = 600_000;

export function isLossy(world: World): boolean {
  return world.loss > 0 || eventsOf(world, "loss").some(({ loss }) => loss > 0);
}

/** Returns when the peer of a connection is gone for good; infinite: it lives to the end. */
export function goneAt({ events }: World, connection: number): number {
  const ends = events.filter(
    ({ is, ...event }) =>
      is === "death" ||
      is === "reboot" ||
      (is === "forgotten" && "on" in event && event.on === connection),
  );
  return Math.min(...ends.map(({ atMs }) => atMs), Number.POSITIVE_INFINITY);
}
