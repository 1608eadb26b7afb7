import type { NetworkNamespace } from "../kernel/netlink/network-namespace.ts";

/**
 * The network namespaces of successive surveys. Each has an index, which is never given to another
 * one, and is forgotten when several surveys in a row did not list it.
 */
export class KnownNamespaces {
  readonly #entries: Map<number, Entry> = new Map();
  #nextIndex = 0;
  #round = 0;

  /** By index. */
  get all(): ReadonlyMap<number, NetworkNamespace> {
    return new Map([...this.#entries.values()].map(({ index, namespace }) => [index, namespace]));
  }

  /** Takes what a survey lists, and yields each with its index. */
  *meet(listed: readonly NetworkNamespace[]): Generator<[number, NetworkNamespace]> {
    this.#round++;
    for (const namespace of listed) {
      const index = this.#entries.get(namespace.inode)?.index ?? this.#nextIndex++;
      // The newest way in: the process that led there may have ended while the namespace lives on.
      this.#entries.set(namespace.inode, { index, namespace, round: this.#round });
    }
    for (const [inode, { round }] of this.#entries)
      if (this.#round - round > MISSED_SURVEYS) this.#entries.delete(inode);

    for (const namespace of listed)
      yield [this.#entries.get(namespace.inode)?.index as number, namespace];
  }
}

interface Entry {
  readonly index: number;
  readonly namespace: NetworkNamespace;
  /** The survey that listed it last. */
  readonly round: number;
}

/** Between two processes of a container its namespace may be missing for a moment. */
const MISSED_SURVEYS = 1;
