import type { State } from "../diagnosis.ts";
import type { TcpInfo } from "../tcp-info.ts";
import type { Instant } from "../time/instant.ts";
import { type PeerGroup, peerAnswers } from "./peer-groups.ts";
import { type Flow, HEARD_SLACK_MS } from "./reading.ts";

/**
 * The kernel probes after so much silence at the soonest: an answered probe follows another by that
 * and a round trip.
 */
const EARLY_IDLE_MS = 1000;
/**
 * Who answered two probes so close together (and a round trip) limits his answers to no more than
 * that. If an answer is lost such a limit swallows the probes behind it, hardly more of them than
 * an outage does that is to be survived (0.4 budgets of 5 s). Two early probes, each 1/8 late: any
 * quiet seconds of a connection show two answers so close together, and so does data that comes
 * every second or two.
 */
export const ORDINARY_GAP_MS = 2250;
/**
 * RFC 1122, 4.2.3.2: an acknowledgment of data is delayed by less than this. What comes later
 * acknowledges none.
 */
const LATEST_ACK_MS = 500;
/** In so many silences that answered nothing the peer is probed early; then as the plan says. */
const EARLY_SILENCES = 3;
/**
 * Who does not answer within the budget, and need not, is asked again after so long, and after this
 * share of his silence.
 */
const ASK_AGAIN_MS = 30_000;
const ASK_AGAIN_SHARE = 1 / 6;
/** A second without data is quiet: the kernel probes then, and the answer is to be seen. */
const QUIET_MS = 1000;
/**
 * Whose data came for so long without a quiet second was never probed, and does not fall silent for
 * nothing.
 */
const STEADY_MS = 10_000;
const NEVER: Instant = Number.NEGATIVE_INFINITY;

/** Where to look for what connections to the same peer learned. */
export interface Siblings {
  readonly group: PeerGroup;
  readonly remotePort: number;
}

/**
 * Remembers how often the peer of one connection was seen to answer what asks only for an
 * acknowledgment: keepalive probes and probes of a closed window, which are the same packet. RFC
 * 9293 (3.8.4, MUST-26) forbids to take one unanswered for a death: some stacks answer none, some
 * boxes let none through, and a host may limit its answers (net.ipv4.tcp_invalid_ratelimit).
 *
 * A peer that limits its answers to one in R ms cannot show two of them closer together than R. So
 * one answer proves nothing of the next probe: from here it looks as a limit does that is just in
 * force. Two prove that probes so far apart are answered.
 */
export class Answers {
  readonly #siblings: Siblings | null;
  readonly #ordinaryMs: number;
  #isOrdinary = false;
  #at: Instant = NEVER;
  #gapMs = Number.POSITIVE_INFINITY;
  /** Silences in which none was answered, and which something else ended. */
  #silences = 0;
  /** The last acknowledgment that was looked at, and the window then. */
  #seenAt: Instant = NEVER;
  #window: number | undefined;
  /**
   * When data came last, and since when it comes without a quiet second, as far as the readings
   * tell.
   */
  #dataAt: Instant = NEVER;
  #steadyFrom: Instant = NEVER;
  #isQuiet = true;

  /**
   * `siblings`: connections to the same address and port are believed to have the same peer;
   * default none. `ordinaryMs`: who answers two so close together, and a round trip, is taken to
   * answer all.
   */
  constructor(siblings: Siblings | null = null, ordinaryMs: number = ORDINARY_GAP_MS) {
    this.#siblings = siblings;
    this.#ordinaryMs = ordinaryMs;
    this.#isOrdinary = ordinaryMs === Number.POSITIVE_INFINITY;
  }

  /** Each unanswered probe counts. */
  get areOrdinary(): boolean {
    this.#isOrdinary ||=
      this.#siblings !== null &&
      this.#silences === 0 &&
      peerAnswers(this.#siblings.group, this.#siblings.remotePort);
    return this.#isOrdinary;
  }

  /**
   * Unanswered probes are believed: those of an ordinary peer, and of one whose steady data left no
   * moment to probe it. That such a one fell silent is evidence itself, though less (`medium`): who
   * lives and answers no probe would have to pause as well, for longer than a budget.
   */
  get areBelieved(): boolean {
    return (
      this.areOrdinary || (this.#silences === 0 && this.#dataAt - this.#steadyFrom >= STEADY_MS)
    );
  }

  /** Unanswered probes count only this far apart; 0: each does, `Infinity`: none. */
  get spacingMs(): number {
    return this.areBelieved ? 0 : this.#gapMs;
  }

  /** In words, why an unanswered probe proves nothing, or little. */
  get doubt(): string {
    const seen = Number.isFinite(this.#gapMs)
      ? `it was seen to answer only one in ${(this.#gapMs / 1000).toFixed(1)} s`
      : this.#at === NEVER
        ? "it never answered one on this connection"
        : "it answered one so far, and may limit its answers";
    return `whether this peer answers keepalive probes: ${seen}. Only data, or a heartbeat, can decide (RFC 9293, 3.8.4)`;
  }

  /**
   * Silence after which the standing keepalive probes, where the plan says `plannedMs`: early as
   * long as it is to be learned whether it is answered.
   */
  idleMs(plannedMs: number): number {
    return this.areOrdinary || this.#silences >= EARLY_SILENCES ? plannedMs : EARLY_IDLE_MS;
  }

  /** From when on an unanswered probe counts; `countedAt`: when the last one left that did. */
  dueAt(countedAt: Instant): Instant {
    return Math.max(this.#at, countedAt) + this.spacingMs;
  }

  /** After how long to ask again when the budget is over, and the peer is silent for `silentMs`. */
  askAgainAfterMs(silentMs: number): number {
    return Number.isFinite(this.#gapMs)
      ? this.#gapMs
      : Math.max(ASK_AGAIN_MS, ASK_AGAIN_SHARE * silentMs);
  }

  /**
   * What happened: a reading. `progressed`: it tells of acknowledgments of data, or may. Returns
   * whether a probe was answered since.
   */
  observe(now: Instant, info: TcpInfo, progressed: boolean): boolean {
    this.#seeData(now - (info.lastDataReceivedMs ?? Number.POSITIVE_INFINITY), now);
    const isWindowUpdate = this.#window !== undefined && info.sendWindowBytes !== this.#window;
    this.#window = info.sendWindowBytes;
    const at = now - (info.lastAckReceivedMs ?? Number.POSITIVE_INFINITY);
    if (at <= this.#seenAt + HEARD_SLACK_MS) return false;
    this.#seenAt = at;
    if (progressed || isWindowUpdate || !isAnswer(info)) return false;
    this.#answered(at, this.#ordinaryMs + (info.rttMs ?? 0));
    return true;
  }

  #seeData(at: Instant, now: Instant): void {
    if (now - at > QUIET_MS) {
      this.#isQuiet = true;
      return;
    }
    if (this.#isQuiet) this.#steadyFrom = at;
    this.#isQuiet = false;
    this.#dataAt = at;
  }

  #answered(at: Instant, ordinaryMs: number): void {
    this.#gapMs = Math.min(this.#gapMs, at - this.#at);
    this.#at = at;
    if (this.#isOrdinary || this.#gapMs > ordinaryMs) return;
    this.#isOrdinary = true;
    if (this.#siblings) this.#siblings.group.answersFrom = this.#siblings.remotePort;
  }

  /** What happened: the peer was heard, and had left probes unanswered. */
  passedOver(): void {
    if (!this.areOrdinary) this.#silences++;
  }
}

/** Of a peer that answers every probe. */
export const ORDINARY_ANSWERS: Answers = new Answers(null, Number.POSITIVE_INFINITY);

/**
 * What was heard last is no data, and comes too late to acknowledge any of ours: it answers a
 * probe.
 */
export function isAnswer({
  lastAckReceivedMs,
  lastDataReceivedMs,
  lastDataSentMs,
  rttMs = 0,
}: TcpInfo): boolean {
  if (
    lastAckReceivedMs === undefined ||
    lastDataReceivedMs === undefined ||
    lastDataSentMs === undefined
  )
    return false;
  if (lastDataReceivedMs <= lastAckReceivedMs + HEARD_SLACK_MS) return false;
  return lastDataSentMs > lastAckReceivedMs + rttMs + LATEST_ACK_MS;
}

/** What a judge came to, as far as it may rest on probes. */
export interface Probed {
  readonly state: State;
  readonly flow: Flow;
  /** The attempts failed on this host. */
  readonly failedHere: boolean;
}

/** A silence rests on probes that the peer, as far as was seen, need not have answered. */
export function isDoubtful(answers: Answers, { state, flow, failedHere }: Probed): boolean {
  if (state === "alive" || flow === "in-flight" || failedHere) return false;
  return !answers.areOrdinary;
}

/** The words of it; `null`: the silence is to be believed. */
export function doubtOf(answers: Answers, judged: Probed): string | null {
  return isDoubtful(answers, judged) ? answers.doubt : null;
}
