import type { TcpInfo } from "../tcp-info.ts";
import type { Instant } from "../time/instant.ts";
import type { Attempts } from "./attempts.ts";
import { PROBE_SPACING_MS } from "./probe-plan.ts";
import type { Flow } from "./reading.ts";
import { baseRtoMs, UNCAPPED_RTO_MS } from "./retransmission-times.ts";

/**
 * More than a round trip and these shares of the budget nobody waits for an answer. The kernel may
 * hold the round trip to be far longer than it is: where the last acknowledgment of a handshake was
 * lost it measured the time until the next segment, and only data corrects it
 * (docs/internals/kernel.md#tcp_info).
 */
const PATIENT_SHARE = 0.1;
const HURRIED_SHARE = 0.05;

/**
 * What the kernel knows of a path's time: how long an answer may take, and when it transmits again.
 */
export class PathTiming {
  /** A probe unanswered for this long counts as missed. */
  answerWindowMs = 200;
  /**
   * The same where the budget is over: two round trips, and what the kernel's clock cannot tell
   * apart.
   */
  hurriedWindowMs = 50;
  /** The retransmission timeout without backoff. */
  rtoMs = 204;
  rttMs = 0;
  #isLearned = false;
  /** The cap on backoff, `null` for the kernel's own. */
  rtoMaxMs: number | null;
  readonly #budgetMs: number;

  constructor(budgetMs: number, rtoMaxMs: number | null) {
    this.#budgetMs = budgetMs;
    this.rtoMaxMs = rtoMaxMs;
  }

  learn(info: TcpInfo): void {
    const isBackingOff = (info.backoff ?? 0) > 0;
    // 0: a kernel that fills the struct with nothing. A chain of timeouts of 0 ms would have no
    // end.
    if (!info.rtoMs || (isBackingOff && this.#isLearned)) return;
    this.#isLearned = true;
    const { rttMs = 0, rttVarMs = 0 } = info;
    this.rttMs = rttMs;
    // In the midst of a backoff the kernel tells what it has come to; this is what it began with.
    this.rtoMs = isBackingOff ? baseRtoMs(rttMs, rttVarMs) : info.rtoMs;
    // A probe is answered at once; three round trips and 100 ms hold any live answer, and on a LAN
    // 200 ms is the kernel's own patience.
    const roundTrips = Math.min(3 * rttMs + 100, rttMs + PATIENT_SHARE * this.#budgetMs);
    this.hurriedWindowMs = Math.max(
      50,
      Math.min(2 * rttMs + 40, rttMs + HURRIED_SHARE * this.#budgetMs),
    );
    this.answerWindowMs = Math.max(50, Math.min(this.rtoMs, Math.max(200, roundTrips)));
  }

  /** How long the kernel waits at this backoff. */
  retransmitGapMs(backoff: number): number {
    return Math.min(this.rtoMs * 2 ** Math.max(0, backoff), this.rtoMaxMs ?? UNCAPPED_RTO_MS);
  }

  /**
   * Of the window probes that are not answered, so many may have been left unanswered by a peer
   * that lives: the first one, where it followed an answered one faster than a peer may answer.
   * Those after it did not.
   */
  unclearWindowProbes({ probes = 0, backoff = 0 }: TcpInfo): number {
    return probes > 0 && this.retransmitGapMs(backoff - probes) < PROBE_SPACING_MS ? 1 : 0;
  }

  /**
   * How long so many retransmissions in a row take, each waiting twice as long as the one before up
   * to the cap (RFC 6298 5.5).
   */
  retransmitChainMs(backoff: number): number {
    let sum = 0;
    for (let i = 0; i < backoff; i++) sum += this.retransmitGapMs(i);
    return sum;
  }

  /**
   * How many of so many retransmissions in a row left later than `spanMs` after the first
   * transmission.
   */
  retransmitsBeyond(spanMs: number, backoff: number): number {
    let beyond = 0;
    for (let i = backoff; i > 0 && this.retransmitChainMs(i) >= spanMs; i--) beyond++;
    return beyond;
  }

  /**
   * How many attempts that had their time to be answered left later than `spanMs` after the first
   * one, as far as the kernel's backoff proves it: retransmissions in flight, probes of a closed
   * window. Where it began before we came it proves nothing.
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
   * For how many attempts there is room later than `spanMs` after the first one, each with its time
   * to be answered by `deadline`; in flight the kernel transmits since `progressAt`, or goes on
   * with the backoff in which it was found. Of the probes of a closed window, whose backoff goes on
   * while they are answered, none is counted on.
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
    const { firstAt, found, count } = attempts;
    const withinMs = deadline - this.hurriedWindowMs - firstAt;
    if (flow === "idle") return Math.max(0, 1 + Math.floor((withinMs - spanMs) / PROBE_SPACING_MS));
    let room = 0;
    // A tail loss probe goes first and restarts the timer
    let gaps = found > 0 ? backoff - (count - found) : -1;
    for (
      let at = Math.max(0, progressAt - firstAt) + this.retransmitGapMs(gaps);
      at <= withinMs;
      at += this.retransmitGapMs(++gaps)
    )
      if (at >= spanMs) room++;
    return room;
  }

  /** At least this old is the first transmission of what is in flight. */
  flightAgeMs(info: TcpInfo): number {
    return (info.lastDataSentMs ?? 0) + this.retransmitChainMs(info.backoff ?? 0);
  }
}
