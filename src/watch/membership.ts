import type { OtherConnections } from "../core/diagnosis.ts";
import {
  heardInGroup,
  markSilent,
  othersOf,
  type PeerGroup,
  PeerGroups,
} from "../core/judge/peer-groups.ts";
import type { Instant } from "../core/time/instant.ts";
import type { Endpoints } from "./handle.ts";

/**
 * The membership of one connection in its peer group, from the start of its watch to the end. It
 * counts once, and as silent at most once.
 */
export class Membership {
  readonly group: PeerGroup;
  readonly #localPort: number;
  readonly remotePort: number;
  #isSilent = false;

  constructor({ localAddress = "", localPort = 0, remoteAddress = "", remotePort = 0 }: Endpoints) {
    this.group = groups.join(localAddress, remoteAddress);
    this.#localPort = localPort;
    this.remotePort = remotePort;
  }

  /** The two ends; known even after the socket has closed. */
  get endpoints(): Endpoints {
    const { remoteAddress, route } = this.group;
    return {
      localAddress: route.localAddress || undefined,
      localPort: this.#localPort,
      remoteAddress,
      remotePort: this.remotePort,
    };
  }

  heard(at: Instant): void {
    heardInGroup(this.group, at);
  }

  /**
   * Returns how the other connections are. They count as alive only if one was heard after `since`.
   */
  othersSince(since: Instant): OtherConnections | null {
    return othersOf(this.group, this.#isSilent, since);
  }

  silent(isSilent: boolean): void {
    if (isSilent !== this.#isSilent) markSilent(this.group, isSilent);
    this.#isSilent = isSilent;
  }

  leave(isDead: boolean): void {
    groups.leave(this.group, this.#isSilent, isDead);
  }
}

/** The peer groups of all connections that this process watches. */
export const groups: PeerGroups = new PeerGroups();
