import { HalfOpenError } from "../core/errors.ts";
import { addressBytes } from "../kernel/netlink/ip-address.ts";
import type { HostCondition } from "../kernel/netlink/sock-diag-filter.ts";
import { AF_INET, AF_INET6 } from "../kernel/netlink/sock-diag-id.ts";

/** A range of addresses: `10.0.0.0/8`, `fd00::/8`, or one address. */
export class Cidr {
  readonly text: string;
  readonly #address: Uint8Array;
  readonly #prefixLength: number;

  private constructor(text: string, address: Uint8Array, prefixLength: number) {
    this.text = text;
    this.#address = address;
    this.#prefixLength = prefixLength;
  }

  /** Reads a range as users write it. @throws HalfOpenError `ERR_OPTION_RANGE` */
  static parse(text: string): Cidr {
    const [host = "", prefix, ...rest] = text.split("/");
    const address = addressBytes(host.replace(/^\[(.*)\]$/, "$1")); // IPv6 in brackets
    if (!address || rest.length > 0)
      throw refused(text, "write an address or a range, such as 10.0.0.0/8 or fd00::/8");

    const most = address.length * 8;
    if (prefix === undefined) return new Cidr(text, address, most);

    const prefixLength = /^\d{1,3}$/.test(prefix) ? Number(prefix) : Number.NaN;
    if (!(prefixLength <= most))
      throw refused(text, `the prefix length must be a number from 0 to ${most}`);
    return new Cidr(text, address, prefixLength);
  }

  /**
   * Returns whether the range holds `address`, which has 4 or 16 bytes. An IPv4 address inside IPv6
   * counts as IPv4.
   */
  contains(address: Uint8Array): boolean {
    const own = this.#address;
    const offset = address.length - own.length;
    if (offset < 0 || (offset > 0 && !isMapped(address))) return false;
    if (offset === 0 && own.length === 16 && isMapped(address) && !isMapped(own)) return false;

    const whole = this.#prefixLength >> 3;
    for (let i = 0; i < whole; i++) if (address[offset + i] !== own[i]) return false;
    const bits = this.#prefixLength & 7;
    if (bits === 0) return true;
    const mask = 0xff00 >> bits;
    return ((address[offset + whole] ?? 0) & mask) === ((own[whole] ?? 0) & mask);
  }

  /** The range as a condition that the kernel checks while it lists sockets. */
  get condition(): HostCondition {
    return {
      family: this.#address.length === 4 ? AF_INET : AF_INET6,
      address: this.#address,
      prefixLength: this.#prefixLength,
    };
  }
}

function isMapped(address: Uint8Array): boolean {
  for (let i = 0; i < 10; i++) if (address[i] !== 0) return false;
  return address[10] === 0xff && address[11] === 0xff;
}

function refused(text: string, hint: string): HalfOpenError {
  return new HalfOpenError(
    "ERR_OPTION_RANGE",
    `${JSON.stringify(text)} is no range of addresses: ${hint}`,
  );
}
