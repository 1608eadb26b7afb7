import type { LossBelief } from "./loss-belief.ts";

/** What is kept of a peer whose connections are all gone, for when it comes back. */
interface Remembered {
  /** `null`: it lost nothing. */
  readonly loss: LossBelief | null;
  /** Remote port of the connection that last was seen to answer keepalive probes; 0: none. */
  readonly answersFrom: number;
}

/** Remembers the peers that were left last, by their address. */
export class PeerMemory {
  /** The latest last. */
  readonly #peers: Map<string, Remembered> = new Map();

  of(remoteAddress: string): Remembered | undefined {
    return this.#peers.get(remoteAddress);
  }

  /** What happened: the last connection to a peer has gone. */
  keep({ remoteAddress, loss, answersFrom }: Leaving): void {
    this.#peers.delete(remoteAddress);
    if (loss.isClean && answersFrom === 0) return;
    this.#peers.set(remoteAddress, { loss: loss.isClean ? null : loss, answersFrom });
    if (this.#peers.size <= MOST_REMEMBERED) return;
    const [oldest = ""] = this.#peers.keys();
    this.#peers.delete(oldest);
  }
}

interface Leaving {
  readonly remoteAddress: string;
  readonly loss: LossBelief;
  readonly answersFrom: number;
}

const MOST_REMEMBERED = 1000;
