import { Path, type PathLaw } from "./path.ts";
import { seededRandom } from "./seeded-random.ts";
import type { VirtualClock } from "./virtual-clock.ts";

export interface VirtualLinkOptions extends PathLaw {
  /** The same seed loses the same messages. */
  readonly seed: number;
  /**
   * `"datagram"` (default): a lost message never arrives, and messages may overtake. `"stream"`: as
   * on TCP a lost message is repeated after R, 3R, 7R, ... with R = 204 ms + two mean delays, and
   * whatever was sent behind it waits.
   */
  readonly mode?: "datagram" | "stream";
}

const RTO_FLOOR_MS = 204;
const RTO_MAX_MS = 120_000;

/**
 * One direction of a connection on a {@link VirtualClock}, for tests of protocols and of what
 * watches them. It can be cut and healed like a cable.
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
  /** Behind a lost message of a stream. */
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

  /** From now on everything sent is lost. What is on its way arrives. */
  cut(): void {
    this.#isCut = true;
  }

  heal(): void {
    this.#isCut = false;
  }

  #isLost(): boolean {
    // The dice roll for a cut link too: cutting must not change what is lost afterwards.
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
