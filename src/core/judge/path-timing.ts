import type { TcpInfo } from "../tcp-info.ts";
import type { Instant } from "../time/instant.ts";
import type { Attempts } from "./attempts.ts";
import { flightPollMs, TIMER_LATE } from "./lateness.ts";
import { PathDelay, windowOfLate } from "./path-delay.ts";
import { ANSWER_WINDOW_MS, defaultOutageMs, PROBE_SPACING_MS } from "./probe-plan.ts";
import type { Flow } from "./reading.ts";
import { baseRtoMs, UNCAPPED_RTO_MS } from "./retransmission-times.ts";

/**
 * The times of one path, from the kernel's round trip: how long an answer may take, and when the
 * kernel transmits again.
 */
export class PathTiming {
  /** Answer window: a probe unanswered for this long counts as missed. */
  answerWindowMs: number = ANSWER_WINDOW_MS;
  /**
   * Answer window once the budget has ended: two round trips, and the resolution of the kernel's
   * clock.
   */
  hurriedWindowMs = 50;
  /** The retransmission timeout without backoff. */
  rtoMs = 204;
  rttMs = 0;
  #isLearned = false;
  /** The cap on backoff, `null` for the kernel's own. */
  rtoMaxMs: number | null;
  readonly #budgetMs: number;
  readonly #delay: PathDelay;

  constructor(budgetMs: number, rtoMaxMs: number | null, delay: PathDelay = new PathDelay()) {
    this.#delay = delay;
    this.#budgetMs = budgetMs;
    this.rtoMaxMs = rtoMaxMs;
  }

  /**
   * What happened: a reading. While the kernel transmits again it reports the doubled timeout. That
   * shows the one that the backoff began with, unless it has reached the cap. Then, and behind a
   * closed window, the round trip only shows that the timeout had become shorter by then.
   */
  learn(info: TcpInfo): void {
    // Some kernels leave the struct empty. A chain of timeouts of 0 ms would never end.
    if (!info.rtoMs) return;
    const { rttMs = 0, rttVarMs = 0, backoff = 0, retransmits = 0 } = info;
    // Behind a closed window the kernel counts the backoff, and does not double the timeout.
    const isDoubled = retransmits > 0 && info.rtoMs < (this.rtoMaxMs ?? UNCAPPED_RTO_MS);
    const isTold = backoff === 0 || isDoubled;
    const rtoMs = isTold ? info.rtoMs / 2 ** backoff : baseRtoMs(rttMs, rttVarMs);
    if (backoff > 0 && this.#isLearned) {
      this.rtoMs = isTold ? rtoMs : Math.min(this.rtoMs, rtoMs);
      return;
    }
    this.#isLearned = true;
    this.rttMs = rttMs;
    this.rtoMs = rtoMs;

    // A probe is answered at once. Three round trips and 100 ms hold any live answer, and on a LAN
    // the kernel's own patience is 200 ms.
    const roundTrips = Math.min(3 * rttMs + 100, rttMs + PATIENT_SHARE * this.#budgetMs);
    this.hurriedWindowMs = Math.max(
      50,
      Math.min(2 * rttMs + 40, rttMs + HURRIED_SHARE * this.#budgetMs),
    );
    this.answerWindowMs = Math.max(
      50,
      Math.min(this.rtoMs, Math.max(ANSWER_WINDOW_MS, roundTrips)),
    );
  }

  /** How late answers come, where that is later than the answer window; else 0. */
  get lateMs(): number {
    const { lateMs } = this.#delay;
    return lateMs > this.answerWindowMs ? lateMs : 0;
  }

  /** The same as far as this connection remembers it from its own answers. */
  get rememberedLateMs(): number {
    const { rememberedMs } = this.#delay;
    return rememberedMs > this.answerWindowMs ? rememberedMs : 0;
  }

  /** The answer window, longer where answers are late. */
  get patientWindowMs(): number {
    const { lateMs } = this;
    return lateMs > 0 ? windowOfLate(lateMs) : this.answerWindowMs;
  }

  /** Returns how long an answer may take. `keepsBudget`: no longer than the budget allows. */
  settledAfterMs(isOver: boolean, keepsBudget: boolean): number {
    if (!isOver) return this.patientWindowMs;
    return keepsBudget ? this.hurriedWindowMs : this.patientHurriedWindowMs;
  }

  /** The same once the budget has ended. */
  get patientHurriedWindowMs(): number {
    const { lateMs } = this;
    return lateMs > 0 ? windowOfLate(lateMs) : this.hurriedWindowMs;
  }

  /** Returns how long the kernel waits for an answer at this backoff. */
  retransmitGapMs(backoff: number): number {
    return Math.min(this.rtoMs * 2 ** Math.max(0, backoff), this.rtoMaxMs ?? UNCAPPED_RTO_MS);
  }

  /**
   * Returns how many of the unanswered window probes a live peer may have left unanswered. That is
   * at most the first one: it may have followed an answered probe faster than the peer may answer.
   */
  unclearWindowProbes({ probes = 0, backoff = 0 }: TcpInfo): number {
    return probes > 0 && this.retransmitGapMs(backoff - probes) < PROBE_SPACING_MS ? 1 : 0;
  }

  /**
   * Returns how long `backoff` retransmissions in a row take. Each waits twice as long as the one
   * before, up to the cap (RFC 6298 5.5).
   */
  retransmitChainMs(backoff: number): number {
    let sum = 0;
    for (let i = 0; i < backoff; i++) sum += this.retransmitGapMs(i);
    return sum;
  }

  /**
   * Returns how many of `backoff` retransmissions in a row left `spanMs` or more after the first
   * transmission.
   */
  retransmitsBeyond(spanMs: number, backoff: number): number {
    let beyond = 0;
    for (let i = backoff; i > 0 && this.retransmitChainMs(i) >= spanMs; i--) beyond++;
    return beyond;
  }

  /**
   * Returns how many settled attempts left later than `spanMs` after the first one, as far as the
   * kernel's backoff proves it. In flight these are retransmissions, behind a closed window probes.
   * A backoff that began before the watch proves nothing.
   */
  settledBeyond(
    spanMs: number,
    flow: Flow,
    { count, found, lastAtLatest }: Attempts,
    now: Instant,
    backoff: number,
  ): number {
    if (found > 0) return 0;
    if (flow === "in-flight") return this.retransmitsBeyond(spanMs, backoff - 1);
    if (flow === "idle" || now - lastAtLatest < this.hurriedWindowMs) return 0;
    return Math.max(0, count - Math.ceil(spanMs / this.retransmitGapMs(backoff - count + 1)));
  }

  /**
   * Returns how many attempts fit in later than `spanMs` after the first one, each with its answer
   * window over by `deadline`.
   *
   * - Idle: probes on demand, as close as a peer answers.
   * - In flight: the kernel transmits since `progressAt`, or goes on with the backoff in which it
   *   was found. Where data took over from probes, which leave more often, the next transmission is
   *   waited for: with a cap on backoff it is near.
   * - Closed window: 0. The kernel's backoff grows there even while the peer answers, so no further
   *   probe can be relied on.
   */
  roomBeyond(
    spanMs: number,
    flow: Flow,
    attempts: Attempts,
    progressAt: Instant,
    deadline: Instant,
    backoff: number,
  ): number {
    if (flow === "blocked") return 0;

    const { outageFrom, found, count, beforeFlight } = attempts;
    const withinMs = deadline - this.hurriedWindowMs - outageFrom;
    if (flow === "idle") return Math.max(0, 1 + Math.floor((withinMs - spanMs) / PROBE_SPACING_MS));

    const isCapped = this.rtoMaxMs !== null;
    let room = beforeFlight > 0 && isCapped ? 1 : 0;
    // A tail loss probe goes first and restarts the timer. The first one that was dated may be
    // that, so without a cap nothing is waited for that leaves only if it is not.
    let gaps = found > 0 ? backoff - (count - found) : isCapped ? -1 : 0;
    // By default several attempts fit. Where a longer outage is to be survived each one matters, so
    // it must be seen to be beyond, and in time though the kernel's timers are late.
    const isLong = spanMs > defaultOutageMs(this.#budgetMs);
    const [pollMs, late] = isLong ? [flightPollMs(this.#budgetMs), TIMER_LATE] : [0, 1];
    for (
      let at = Math.max(0, progressAt - outageFrom) + this.retransmitGapMs(gaps);
      at * late <= withinMs;
      at += this.retransmitGapMs(++gaps)
    )
      if (at >= spanMs + pollMs) room++;
    return room;
  }

  /** Returns the least age that the first transmission of what is in flight can have. */
  flightAgeMs(info: TcpInfo): number {
    return (info.lastDataSentMs ?? 0) + this.retransmitChainMs(info.backoff ?? 0);
  }
}

/**
 * An answer is waited for no longer than a round trip and this share of the budget; the second
 * share is for the end of the budget.
 *
 * The kernel may believe the round trip to be far longer than it is. If the last acknowledgment of
 * a handshake was lost, the kernel measured the time until the next segment, and only data corrects
 * that (docs/internals/kernel.md#tcp_info).
 */
const PATIENT_SHARE = 0.1;
const HURRIED_SHARE = 0.05;
