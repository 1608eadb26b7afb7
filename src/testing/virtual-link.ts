import { Path, type PathLaw } from "./path.ts";
import { seededRandom } from "./seeded-random.ts";
import type { VirtualClock } from "./virtual-clock.ts";

export interface VirtualLinkOptions extends PathLaw {
  /** The same seed loses the same messages. */
  readonly seed: number;
  /**
   * `"datagram"` (default): a lost message never arrives, and messages may overtake each other.
   *
   * `"stream"`: as on TCP, a lost message is repeated after R, 3R, 7R, ... with R = 204 ms + two
   * mean delays, and every message behind it waits.
   */
  readonly mode?: "datagram" | "stream";
}

/**
 * One direction of a connection on a {@link VirtualClock}, for tests of protocols and of their
 * watchers. Can be cut and healed like a cable.
 *
 * ```ts
 * const clock = new VirtualClock();
 * const path = { seed: 1, delay: constantDelay(20), loss: 0.05 };
 * const link = new VirtualLink<string>(clock, path, (text) => console.log(text));
 * link.send("ping");
 * clock.advance(1000);
 * ```
 */
export class VirtualLink<Message> {
  readonly #clock: VirtualClock;
  readonly #path: Path;
  readonly #deliver: (message: Message) => void;
  readonly #isStream: boolean;
  readonly #rtoMs: number;
  #isCut = false;
  #arrivedAt = 0;
  /** The lost message of a stream and those behind it. */
  readonly #waiting: Message[] = [];
  #isRepeating = false;

  constructor(
    clock: VirtualClock,
    options: VirtualLinkOptions,
    deliver: (message: Message) => void,
  ) {
    this.#clock = clock;
    this.#path = new Path(options, seededRandom(options.seed));
    this.#deliver = deliver;
    this.#isStream = options.mode === "stream";
    this.#rtoMs = RTO_FLOOR_MS + 2 * options.delay.meanMs;
  }

  send(message: Message): void {
    if (this.#isRepeating) this.#waiting.push(message);
    else if (!this.#isLost()) this.#arrive([message]);
    else if (this.#isStream) {
      this.#waiting.push(message);
      this.#isRepeating = true;
      this.#repeatIn(this.#rtoMs);
    }
  }

  /** Loses every message sent from now on. Messages on their way still arrive. */
  cut(): void {
    this.#isCut = true;
  }

  /** Ends a cut. */
  heal(): void {
    this.#isCut = false;
  }

  #isLost(): boolean {
    // Drawn for a cut link too, so that a cut does not change which later messages are lost.
    const isLost = this.#path.isLost(this.#clock.now);
    return this.#isCut || isLost;
  }

  #arrive(messages: readonly Message[]): void {
    let at = this.#clock.now + this.#path.delayMs();
    if (this.#isStream) at = this.#arrivedAt = Math.max(at, this.#arrivedAt);
    this.#clock.schedule(at, () => {
      for (const message of messages) this.#deliver(message);
    });
  }

  #repeatIn(gapMs: number): void {
    this.#clock.schedule(this.#clock.now + gapMs, () => {
      if (this.#isLost()) {
        this.#repeatIn(Math.min(2 * gapMs, RTO_MAX_MS));
        return;
      }
      this.#isRepeating = false;
      this.#arrive(this.#waiting.splice(0));
    });
  }
}

/** As in `TcpDelivery`. */
const RTO_FLOOR_MS = 204;
const RTO_MAX_MS = 120_000;
