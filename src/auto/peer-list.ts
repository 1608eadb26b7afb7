import { BlockList, isIP } from "node:net";
import { HalfOpenError } from "../core/errors.ts";

/**
 * The parts of a connection that a list is matched against. `host` is the name that the program
 * opened the connection with, if any.
 */
export interface PeerName {
  readonly host: string | undefined;
  readonly address: string | undefined;
  readonly port: number | undefined;
}

interface Rule {
  readonly matchesHost: (peer: PeerName) => boolean;
  readonly port: number | null;
}

/**
 * A comma list of `host`, `host:port`, `:port`, `10.0.0.0/8` or `[fd00::1]:443`. Names are compared
 * as the program wrote them and never resolved.
 */
export class PeerList {
  readonly #rules: readonly Rule[];

  /** @throws HalfOpenError `ERR_OPTION_RANGE` */
  constructor(text: string, name: string) {
    const words = text.split(",").map((word) => word.trim());
    this.#rules = words.filter((word) => word !== "").map((word) => ruleOf(word, name));
  }

  has(peer: PeerName): boolean {
    return this.#rules.some(
      ({ matchesHost, port }) => (port === null || port === peer.port) && matchesHost(peer),
    );
  }
}

function ruleOf(word: string, name: string): Rule {
  const bracketed = /^\[([^\]]+)\](?::(\d+))?$/.exec(word);
  // A word with two colons or more, without brackets, is an IPv6 address.
  const plain =
    word.split(":").length > 2 ? [word, word, undefined] : /^([^:]*)(?::(\d+))?$/.exec(word);
  const [, host, portText] = bracketed ?? plain ?? [];
  const port = portText === undefined ? null : Number(portText);

  if (
    host === undefined ||
    (host === "" && port === null) ||
    (port !== null && (port < 1 || port > 65_535))
  )
    throw new HalfOpenError(
      "ERR_OPTION_RANGE",
      `${name} takes host, host:port, :port or a subnet, got ${JSON.stringify(word)}`,
    );
  return { matchesHost: hostMatcher(host, name), port };
}

function hostMatcher(host: string, name: string): Rule["matchesHost"] {
  if (host === "") return () => true;
  const [network = "", prefix] = host.split("/");
  const family = isIP(network);
  if (prefix === undefined && family === 0)
    return (peer) => peer.host?.toLowerCase() === host.toLowerCase();

  const bits = prefix === undefined ? (family === 6 ? 128 : 32) : Number(prefix);
  if (family === 0 || !Number.isInteger(bits) || bits < 0 || bits > (family === 6 ? 128 : 32))
    throw new HalfOpenError(
      "ERR_OPTION_RANGE",
      `${name} takes subnets as 10.0.0.0/8 or fd00::/8, got ${JSON.stringify(host)}`,
    );

  const list = new BlockList();
  list.addSubnet(network, bits, family === 6 ? "ipv6" : "ipv4");
  return ({ address = "" }) => {
    const of = isIP(address);
    return of !== 0 && list.check(address, of === 6 ? "ipv6" : "ipv4");
  };
}
