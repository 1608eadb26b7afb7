import { read } from "node:fs";
import type { LossLaw } from "../core/detectors/loss-law.ts";
import { HalfOpenError } from "../core/errors.ts";
import { openPort } from "../kernel/port/open-port.ts";
import type { SystemPort } from "../kernel/port/port.ts";
import { LossProcess } from "../testing/loss-process.ts";
import { seededRandom } from "../testing/seeded-random.ts";
import { packetBytes, probeFlow } from "./frame.ts";
import { droppedSince, openInterface } from "./packet-socket.ts";

/** Faults of a wire. A setting that is left out keeps its value, at first 0. */
export interface WireSettings {
  /** One-way delay. */
  readonly delayMs?: number;
  /** Uniform jitter of the delay, to both sides; the order of packets is kept. */
  readonly jitterMs?: number;
  /** Loss from left to right: a share of the packets, or bursts. */
  readonly lossOut?: LossLaw;
  /** Loss from right to left. */
  readonly lossIn?: LossLaw;
  /** Rate from left to right, behind a queue that never overflows; 0: unlimited. */
  readonly kbitOut?: number;
  /** Drops packets that are longer, both ways and without a word; 0: every length passes. */
  readonly longestBytes?: number;
  /**
   * Drops what looks like a keepalive probe from left to right. The first such segment of a flow
   * passes, because it completes the handshake.
   */
  readonly dropsProbes?: boolean;
  /** Default 1; only the first one counts. */
  readonly seed?: number;
}

/** Packets that went one way through the wire. */
export interface WireCount {
  readonly passed: number;
  /** Lost on purpose. */
  readonly lost: number;
  /**
   * Packets in `lost` that came right behind another lost one. With independent loss their share of
   * the lost equals the share of the lost among all.
   */
  readonly lostInARow: number;
  /**
   * Lost by accident: the kernel's queue in front of the wire was full, or the interface behind the
   * wire refused the packet.
   */
  readonly spilt: number;
}

export interface WireCounts {
  readonly out: WireCount;
  readonly in: WireCount;
}

export interface Wire {
  set(settings: WireSettings): void;
  /** Returns the counts since the wire was opened. */
  counts(): WireCounts;
}

/**
 * Opens a cable between two interfaces, with delay, jitter, loss and other faults, in user space:
 * AF_PACKET opens in a user namespace too, where TUN and netem may not. The order of packets is
 * kept, so that jitter does not look like reordering. Reads block on the thread pool, one for each
 * side.
 */
export function openWire(left: string, right: string, settings: WireSettings): Wire {
  const port = openPort();
  if (!port)
    throw new HalfOpenError(
      "ERR_NOT_SUPPORTED",
      "the lab's wire needs a native back-end; see capabilities()",
    );

  const random = seededRandom(settings.seed ?? 1);
  const [a, b] = [openInterface(port, left), openInterface(port, right)];
  const [out, back] = [new Way(port, a, b, random), new Way(port, b, a, random)];

  let now: WireSettings = {};
  const set = (changed: WireSettings): void => {
    now = { ...now, ...changed };
    out.set(now, now.lossOut ?? 0);
    back.set({ ...now, kbitOut: 0, dropsProbes: false }, now.lossIn ?? 0);
  };

  set(settings);
  out.forward();
  back.forward();
  return { set, counts: () => ({ out: out.count(), in: back.count() }) };
}

/** A frame of segmentation offload is up to 64 KB. */
const FRAME_BYTES = 70_000;

/** One direction of the wire. */
class Way {
  readonly #port: SystemPort;
  readonly #from: number;
  readonly #to: number;
  readonly #random: () => number;
  readonly #buffer: Uint8Array = new Uint8Array(FRAME_BYTES);
  #law: LossLaw = 0;
  #loss: LossProcess;
  #settings: WireSettings = {};
  /** Flows whose handshake is complete, as far as a wire that drops probes knows. */
  readonly #opened: Set<string> = new Set();
  /** Instant at which the queue in front of the rate is empty. */
  #emptyAt = 0;
  #lastLeavesAt = 0;
  /** Frames that are delayed, in the order in which they leave. One timer waits for the first. */
  readonly #waiting: Delayed[] = [];
  #wasLost = false;
  readonly #count = { passed: 0, lost: 0, lostInARow: 0, spilt: 0 };

  constructor(port: SystemPort, from: number, to: number, random: () => number) {
    this.#port = port;
    this.#from = from;
    this.#to = to;
    this.#random = random;
    this.#loss = new LossProcess(0, random);
  }

  set(settings: WireSettings, loss: LossLaw): void {
    this.#settings = settings;
    // A burst that is under way goes on as long as its law stays the same.
    if (JSON.stringify(loss) === JSON.stringify(this.#law)) return;
    this.#law = loss;
    this.#loss = new LossProcess(loss, this.#random);
  }

  count(): WireCount {
    this.#count.spilt += droppedSince(this.#port, this.#from);
    return { ...this.#count };
  }

  forward(): void {
    read(this.#from, this.#buffer, 0, FRAME_BYTES, null, (error, length) => {
      if (error) {
        if ((error as NodeJS.ErrnoException).code !== "ENETDOWN") throw error;
      } else {
        const frame = this.#buffer.subarray(0, length);
        if (this.#isLost() || this.#isRefused(frame)) this.#count.lost++;
        else this.#pass(frame);
      }
      this.forward();
    });
  }

  #isLost(): boolean {
    const isLost = this.#loss.isLost(performance.now());
    if (isLost && this.#wasLost) this.#count.lostInARow++;
    this.#wasLost = isLost;
    return isLost;
  }

  #isRefused(frame: Uint8Array): boolean {
    const { longestBytes = 0, dropsProbes = false } = this.#settings;
    if (longestBytes > 0 && packetBytes(frame) > longestBytes) return true;
    if (!dropsProbes) return false;

    const flow = probeFlow(frame);
    if (flow === null) return false;
    if (this.#opened.has(flow)) return true;
    this.#opened.add(flow);
    return false;
  }

  #pass(frame: Uint8Array): void {
    const { delayMs = 0, jitterMs = 0, kbitOut = 0 } = this.#settings;
    const now = performance.now();
    if (kbitOut > 0) this.#emptyAt = Math.max(this.#emptyAt, now) + (8 * frame.length) / kbitOut;

    this.#lastLeavesAt = Math.max(
      this.#lastLeavesAt,
      Math.max(now, this.#emptyAt) + delayMs + (this.#random() * 2 - 1) * jitterMs,
    );
    if (this.#lastLeavesAt <= now && this.#waiting.length === 0) {
      this.#send(frame);
      return;
    }

    this.#waiting.push({ frame: frame.slice(), leavesAt: this.#lastLeavesAt });
    if (this.#waiting.length === 1) this.#wait(now);
  }

  #wait(now: number): void {
    const [next] = this.#waiting;
    if (next) setTimeout(() => this.#release(), Math.max(0, next.leavesAt - now));
  }

  #release(): void {
    const now = performance.now();
    const kept = this.#waiting.findIndex(({ leavesAt }) => leavesAt > now);
    const due = this.#waiting.splice(0, kept < 0 ? this.#waiting.length : kept);
    for (const { frame } of due) this.#send(frame);
    this.#wait(now);
  }

  #send(frame: Uint8Array): void {
    if (this.#port.send(this.#to, frame, 0) < 0) this.#count.spilt++;
    else this.#count.passed++;
  }
}

interface Delayed {
  readonly frame: Uint8Array;
  readonly leavesAt: number;
}
