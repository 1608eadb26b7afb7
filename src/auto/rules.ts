import type { Socket } from "node:net";
import type { WatchOptions } from "../watch/options.ts";
import { describe, refused, WATCH_OPTIONS } from "../watch/settings.ts";
import { PeerList } from "./peer-list.ts";

/** One connection, as a `filter` gets it. */
export interface FoundConnection {
  readonly socket: Socket;
  /**
   * `"client"`: the program opened it. `"server"`: it was accepted, by the program or by another
   * one that handed it over.
   */
  readonly side: "client" | "server";
  /** The name that the program opened it with, if any. */
  readonly host: string | undefined;
  /** The peer's address. */
  readonly address: string;
  /** The peer's port; of an accepted connection the server's own. */
  readonly port: number;
}

/** The choice of the connections. */
export interface RuleOptions {
  /**
   * The only peers to watch: `host`, `host:port`, `:port`, `10.0.0.0/8` or `[fd00::1]:443`, as an
   * array or separated by commas. Names are compared as the program wrote them and never resolved.
   * Of an accepted connection the port is the server's own. Default: all.
   */
  readonly allow?: string | readonly string[] | undefined;
  /** Peers to leave out, in the same form; stronger than `allow`. Default: none. */
  readonly deny?: string | readonly string[] | undefined;
  /** Accepted, received and inherited connections too. Default `true`. */
  readonly servers?: boolean | undefined;
  /** This machine's own connections too (127.0.0.0/8, ::1). Default `true`. */
  readonly loopback?: boolean | undefined;
  /**
   * Returns whether to watch a connection that the other options let pass. Called once the
   * connection exists. Default: all.
   */
  readonly filter?: ((found: FoundConnection) => boolean) | undefined;
}

/** Decides which connections are watched. */
export class Rules {
  readonly watchesServers: boolean;
  readonly #watchesLoopback: boolean;
  readonly #allow: PeerList | null;
  readonly #deny: PeerList;
  readonly #filter: NonNullable<RuleOptions["filter"]>;

  /** @throws HalfOpenError `ERR_OPTION_RANGE` */
  constructor({ allow, deny, servers = true, loopback = true, filter }: RuleOptions) {
    this.watchesServers = checkedBoolean("servers", servers);
    this.#watchesLoopback = checkedBoolean("loopback", loopback);
    this.#allow = allow === undefined ? null : listOf("allow", allow);
    this.#deny = listOf("deny", deny ?? []);
    if (filter !== undefined && typeof filter !== "function")
      throw refused(`filter must be a function that returns a boolean, got ${describe(filter)}`);
    this.#filter = filter ?? (() => true);
  }

  /**
   * Separates the rules from the options of a watch.
   *
   * @throws HalfOpenError `ERR_OPTION_RANGE`
   */
  static of<Options extends RuleOptions>(
    options: Options,
  ): { rules: Rules; rest: Omit<Options, keyof RuleOptions> } {
    if (typeof options !== "object" || options === null)
      throw refused(`options must be an object, got ${describe(options)}`);
    for (const name of Object.keys(options)) checkName(name);
    const { allow, deny, servers, loopback, filter, ...rest } = options;
    return { rules: new Rules({ allow, deny, servers, loopback, filter }), rest };
  }

  /** @throws what the filter throws, and a TypeError if it returns no boolean */
  want(found: FoundConnection): boolean {
    if (!this.#watchesLoopback && isLoopback(found.address)) return false;
    if (this.#deny.has(found) || this.#allow?.has(found) === false) return false;
    const isWanted: unknown = this.#filter(found);
    if (typeof isWanted === "boolean") return isWanted;
    throw new TypeError(`it must return true or false, not ${typeof isWanted}`);
  }
}

const RULE_OPTIONS: ReadonlySet<string> = new Set<keyof RuleOptions>([
  "allow",
  "deny",
  "servers",
  "loopback",
  "filter",
]);

/** Those of one client and its protocol. */
const PROCESS_OPTIONS: ReadonlySet<string> = new Set<keyof WatchOptions>([
  "heartbeat",
  "detector",
  "expect",
]);

function checkName(name: string): void {
  if (PROCESS_OPTIONS.has(name))
    throw refused(`watchAll proves hosts alone: give ${name} to a watch of the client it is for`);
  if (WATCH_OPTIONS.has(name) || RULE_OPTIONS.has(name)) return;
  const known = [...RULE_OPTIONS, ...WATCH_OPTIONS].filter((one) => !PROCESS_OPTIONS.has(one));
  throw refused(`unknown option ${JSON.stringify(name)}; known are ${known.join(", ")}`);
}

function listOf(name: string, peers: unknown): PeerList {
  const words: unknown = typeof peers === "string" ? peers.split(",") : peers;
  if (Array.isArray(words) && words.every((word) => typeof word === "string"))
    return new PeerList(words.join(","), name);
  throw refused(`${name} must be text or an array of texts, got ${describe(peers)}`);
}

function checkedBoolean(name: string, value: unknown): boolean {
  if (typeof value === "boolean") return value;
  throw refused(`${name} must be true or false, got ${describe(value)}`);
}

function isLoopback(address: string): boolean {
  return address === "::1" || /^127\./.test(address);
}
