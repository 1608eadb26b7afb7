import type { TcpInfo } from "../tcp-info.ts";
import type { Instant } from "../time/instant.ts";
import { HEARD_SLACK_MS } from "./lateness.ts";
import type { PathLoss } from "./path-loss.ts";
import { type PeerGroup, peerAnswers } from "./peer-groups.ts";
import { probeAnsweredAt } from "./probe-answered.ts";
import type { Snapshot } from "./reading.ts";
import { SteadyData } from "./steady-data.ts";

/**
 * Remembers how often the peer of one connection was seen to answer probes: packets without data
 * that only call for an acknowledgment. Keepalive probes and probes of a closed window are the same
 * packet.
 *
 * RFC 9293 (3.8.4, MUST-26) forbids to take one unanswered probe for a death. Some stacks answer no
 * probe, some boxes let none through, and a host may limit its answers
 * (net.ipv4.tcp_invalid_ratelimit).
 *
 * A peer that limits its answers to one in R ms never shows two of them closer together than R. So
 * one answer proves nothing about the next probe: a limit may just be in force. Two answers prove
 * that probes as far apart as these two are answered.
 *
 * | the peer is | when                                                     | probes that count    |
 * |-------------|----------------------------------------------------------|----------------------|
 * | ordinary    | it gave two answers close together, or a sibling's did   | each                 |
 * | steady      | its data came for 10 s without a quiet second, and for   | each, as less proof  |
 * |             | twice as long after each silence that its data ended     |                      |
 * | limited     | its two closest answers are further apart than that      | only that far apart  |
 * | unknown     | it gave one answer or none, or stopped (see below)       | none                 |
 *
 * A peer that answered may stop while data still passes, behind a box that begins to drop empty
 * packets. Once more probes in a row went unanswered while data passed than the path's loss or one
 * outage explains, it is unknown again, for its siblings too.
 */
export class Answers {
  readonly #siblings: Siblings | null;
  readonly #ordinaryMs: number;
  #isOrdinary = false;
  #at: Instant = NEVER;
  #gapMs = Number.POSITIVE_INFINITY;
  /** Silences in which no probe was answered, and which something else ended. */
  #silences = 0;
  /** Probes of such silences since the last answer, and how many the path's loss explained. */
  #passedOver = 0;
  #explained = 0;
  #hasStopped = false;
  readonly #data: SteadyData = new SteadyData();

  /**
   * `siblings`: connections to the same address and port, believed to have the same peer; default
   * none. `ordinaryMs`: a peer that gives two answers this close together, plus a round trip, is
   * taken to answer every probe.
   */
  constructor(siblings: Siblings | null = null, ordinaryMs: number = ORDINARY_GAP_MS) {
    this.#siblings = siblings;
    this.#ordinaryMs = ordinaryMs;
    this.#isOrdinary = ordinaryMs === Number.POSITIVE_INFINITY;
  }

  /** The peer answers every probe, as far as was seen, so each unanswered one counts. */
  get areOrdinary(): boolean {
    this.#isOrdinary ||=
      this.#siblings !== null &&
      this.#silences === 0 &&
      peerAnswers(this.#siblings.group, this.#siblings.remotePort);
    return this.#isOrdinary;
  }

  /** The peer is ordinary, and nothing speaks against it since its last answer. */
  get areSettled(): boolean {
    return this.areOrdinary && this.#passedOver === 0;
  }

  /**
   * Unanswered probes are believed: those of an ordinary peer, and those of a peer whose steady
   * data left no moment to probe it. The silence of a steady peer is evidence itself, though less
   * (`medium`). A live one would have to answer no probe and also pause for longer than a budget.
   * Each pause that its data ended may have been an outage, and makes steady what lasts twice as
   * long.
   */
  get areBelieved(): boolean {
    if (this.areOrdinary) return true;
    return this.#at === NEVER && this.#data.steadyMs >= STEADY_MS * 2 ** this.#silences;
  }

  /**
   * Probes of a closed window, a cap on backoff apart, are answered about as often as they leave:
   * the kernel's patience, fifteen of them, is longer than what a live peer leaves unanswered.
   */
  areAsOftenAs(capMs: number): boolean {
    return this.#gapMs <= PROBES_BETWEEN * capMs;
  }

  /** Unanswered probes count only this far apart; 0: each counts, `Infinity`: none counts. */
  get spacingMs(): number {
    return this.areBelieved ? 0 : this.#gapMs;
  }

  /** Says in words why an unanswered probe proves little or nothing. */
  get doubt(): string {
    return `whether this peer answers keepalive probes: ${this.#seen}. Only data, or a heartbeat, can decide (RFC 9293, 3.8.4)`;
  }

  get #seen(): string {
    if (this.#hasStopped) return "it answered them, and stopped while data still passed";
    if (Number.isFinite(this.#gapMs))
      return `it was seen to answer only one in ${(this.#gapMs / 1000).toFixed(1)} s`;
    return this.#at === NEVER
      ? "it never answered one on this connection"
      : "it answered one so far, and may limit its answers";
  }

  /**
   * Returns the silence after which the standing keepalive probes: early until it is known whether
   * the peer answers, then `plannedMs`, the idle time of the plan.
   */
  idleMs(plannedMs: number): number {
    return this.areOrdinary || this.#silences >= EARLY_SILENCES ? plannedMs : EARLY_IDLE_MS;
  }

  /** Returns when the next unanswered probe counts. The last counted one left at `countedAt`. */
  dueAt(countedAt: Instant): Instant {
    return Math.max(this.#at, countedAt) + this.spacingMs;
  }

  /**
   * Returns how long to wait before the next probe when the budget has ended and the silence, now
   * `silentMs` long, proves nothing.
   */
  askAgainAfterMs(silentMs: number): number {
    return Number.isFinite(this.#gapMs)
      ? this.#gapMs
      : Math.max(ASK_AGAIN_MS, ASK_AGAIN_SHARE * silentMs);
  }

  /**
   * What happened: a reading. `answeredAt`: when a probe was answered since the reading before (see
   * {@link probeAnsweredAt}); `null`: none was.
   */
  observe(now: Instant, info: TcpInfo, answeredAt: Instant | null): void {
    if (this === ORDINARY_ANSWERS) return; // shared by many
    this.#data.observe(now, info);
    if (answeredAt !== null && answeredAt > this.#at + HEARD_SLACK_MS)
      this.#answered(answeredAt, this.#ordinaryMs + (info.rttMs ?? 0));
  }

  /** The same, where the reading before is at hand. */
  compare(before: Pick<Snapshot, "at" | "info">, now: Instant, info: TcpInfo): void {
    this.observe(now, info, probeAnsweredAt(before, now, info));
  }

  #answered(at: Instant, ordinaryMs: number): void {
    this.#gapMs = Math.min(this.#gapMs, at - this.#at);
    this.#at = at;
    this.#passedOver = 0;

    if (this.#isOrdinary || this.#gapMs > ordinaryMs) return;
    this.#isOrdinary = true;
    this.#hasStopped = false;
    if (this.#siblings) this.#siblings.group.answersFrom = this.#siblings.remotePort;
  }

  /**
   * What happened: something else than an answer ended a silence with `probes` unanswered ones.
   * `isOutage`: an outage that is to be survived explains it. That is believed once until the next
   * answer, and a live peer that has stopped is soon seen to answer two probes. `loss`: what the
   * path loses. Returns the answers to go on with: where they were shared, some of the connection's
   * own, which learn with its `siblings`. `null`: it learns nothing.
   */
  passedOver({ probes, isOutage }: PassedOver, siblings: Siblings | null, loss: PathLoss): Answers {
    if (this === ORDINARY_ANSWERS) {
      if (siblings === null) return this;
      const own = new Answers(siblings);
      own.#isOrdinary = true;
      return own.passedOver({ probes, isOutage }, siblings, loss);
    }

    const isFirst = this.#passedOver === 0;
    // What they teach of the path's loss does not explain them.
    if (isFirst) this.#explained = Math.max(FEWEST_PASSED_OVER, loss.attemptsNeeded(BY_CHANCE));
    this.#passedOver += probes;
    if (!this.areOrdinary) this.#silences++;
    else if (this.#passedOver >= this.#explained && !(isFirst && isOutage)) this.#stopped();
    return this;
  }

  #stopped(): void {
    this.#hasStopped = true;
    this.#isOrdinary = false;
    this.#silences = 1;
    this.#gapMs = Number.POSITIVE_INFINITY;
    this.#at = NEVER;
    const { group, remotePort } = this.#siblings ?? {};
    if (group && group.answersFrom === remotePort) group.answersFrom = 0;
  }
}

/** A silence that something else than an answer ended. */
export interface PassedOver {
  readonly probes: number;
  readonly isOutage: boolean;
}

/** Connections to the same address and port, which learn together. */
export interface Siblings {
  readonly group: PeerGroup;
  readonly remotePort: number;
}

/**
 * Two answers at most this far apart, plus a round trip, show that the peer answers every probe: a
 * limit of its answers would be no longer than this. When an answer is lost, such a limit swallows
 * the probes behind it. These are hardly more than an outage that is survived takes (0.4 budgets of
 * 5 s).
 *
 * Two early probes, each 1/8 late. Any quiet seconds of a connection show two answers this close
 * together, and so does data that comes every second or two.
 */
export const ORDINARY_GAP_MS = 2250;

/**
 * The shortest silence after which the kernel probes. One answered probe follows another by this
 * and a round trip.
 */
const EARLY_IDLE_MS = 1000;

/** A live peer answers one of this many probes of a closed window. */
const PROBES_BETWEEN = 3;

/** The peer is probed early in this many silences without an answered probe, then as planned. */
const EARLY_SILENCES = 3;

/** Data that came for this long without a quiet second is steady. */
const STEADY_MS = 10_000;

/** So many probes in a row must be passed over, whatever the path loses. */
const FEWEST_PASSED_OVER = 3;

/** Accepted chance that the path lost them all while data passed. */
const BY_CHANCE = 1e-4;

/** One that need not answer is probed again after this, or this share of a longer silence. */
const ASK_AGAIN_MS = 30_000;
const ASK_AGAIN_SHARE = 1 / 6;

const NEVER: Instant = Number.NEGATIVE_INFINITY;

/** The answers of a peer that answers every probe. */
export const ORDINARY_ANSWERS: Answers = new Answers(null, Number.POSITIVE_INFINITY);
