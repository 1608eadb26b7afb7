import type { TcpInfo } from "../tcp-info.ts";
import type { Instant } from "../time/instant.ts";
import type { Answers } from "./answers.ts";
import { Attempts } from "./attempts.ts";
import { type Flow, isRetransmissionRefused, isStuckLocally } from "./flow.ts";
import { PROBE_SPACING_MS } from "./probe-plan.ts";

/**
 * A probe on demand leaves within a jiffy or two, or 50 ms later where the socket was in use
 * (docs/internals/kernel.md#nudge); then the kernel has counted it.
 */
const NUDGE_LEAVES_WITHIN_MS = 100;
/**
 * tcp.h, TCP_RESOURCE_PROBE_INTERVAL: what a full queue of this host refused, the kernel tries
 * again so much later.
 */
const LOCAL_RETRY_MS = 500;

/**
 * Finds in the kernel's counters what was sent and not answered. Only what has left this host asks
 * the peer anything: a full queue here makes the kernel count a timeout without sending, and
 * swallows a probe on demand without a trace.
 */
export class AttemptCounter {
  attempts: Attempts;
  readonly #outageMs: number;
  /**
   * Of what the next reading shows unanswered so many are found; `null`: it is not the first one
   * after we came.
   */
  #toFind: number | null;
  /**
   * Those in a row that failed on this host after others had left it: no further questions, but a
   * series of their own.
   */
  #failing: Attempts | null = null;
  /** A probe was asked for, and nobody has looked yet whether it left. */
  #nudgedAt: Instant | null = null;
  /** The last one asked for did not. */
  hasNudgeFailed = false;
  #observedAt: Instant;
  #probes: number | undefined;
  /** Of those of a closed window, so many failed here. */
  #probesFailed = 0;
  #backoff = 0;
  #retransmits = 0;
  /** Of those, so many failed here. */
  #retransmitsFailed = 0;

  /**
   * `outageMs`: the longest outage that is to be survived. `found`: so many unanswered attempts
   * were there before us. `answers`: which probes the peer answers.
   */
  constructor(outageMs: number, found: number, answers: Answers, now: Instant) {
    this.#outageMs = outageMs;
    this.#toFind = found;
    this.attempts = new Attempts(outageMs, answers);
    this.#observedAt = now;
  }

  /** Nothing is unanswered, and no probe was asked for. */
  get isUnquestioned(): boolean {
    return this.attempts.count === 0 && this.#nudgedAt === null;
  }

  get isAwaitingNudge(): boolean {
    return this.#nudgedAt !== null;
  }

  /** Those in a row that failed on this host, where others had left it before. */
  get failing(): Attempts | null {
    return this.#failing;
  }

  /**
   * What happened: the program asked the kernel for a probe. Where nothing tells whether it leaves,
   * it is taken to.
   */
  nudged(now: Instant): void {
    if (this.#probes === undefined) this.attempts.seenProbe(this.attempts.count + 1, now, now);
    else this.#nudgedAt = now;
  }

  /**
   * What happened: this process stood still for `gapMs` until `now`; infinite: too long to go on
   * where it was.
   */
  stalled(now: Instant, gapMs: number): void {
    this.attempts.shift(gapMs, now);
    this.#failing?.shift(gapMs, now);
    if (gapMs === Number.POSITIVE_INFINITY) this.#toFind = Number.POSITIVE_INFINITY;
  }

  /**
   * Whether the probe asked for has left. With data to send the kernel sends none, and counts tries
   * to send the data instead.
   */
  seeNudge(now: Instant, info: TcpInfo, flow: Flow): void {
    const nudgedAt = this.#nudgedAt;
    if (nudgedAt === null) return;
    if ((info.probes ?? 0) > (this.#probes ?? 0) && !isStuckLocally(info)) {
      this.#left();
      this.attempts.seenProbe(
        this.attempts.count + 1,
        nudgedAt,
        now - nudgedAt < LOCAL_RETRY_MS ? nudgedAt : now,
      );
      this.hasNudgeFailed = false;
    } else if (flow === "idle") {
      if (now - nudgedAt < NUDGE_LEAVES_WITHIN_MS) return;
      this.#failed(1, nudgedAt);
      this.hasNudgeFailed = true;
    }
    this.#nudgedAt = null;
  }

  /**
   * When to look for the probe asked for, and for its answer; where that takes long, the next probe
   * does not wait for it.
   */
  nudgeDueAt(answerWindowMs: number): Instant {
    if (this.#nudgedAt === null) return Number.POSITIVE_INFINITY;
    return (
      this.#nudgedAt +
      Math.max(
        NUDGE_LEAVES_WITHIN_MS,
        Math.min(answerWindowMs, LOCAL_RETRY_MS - NUDGE_LEAVES_WITHIN_MS),
      )
    );
  }

  /** Counts the kernel's probes; the first one, the standing probe, left by `standingBy`. */
  seeProbes(now: Instant, info: TcpInfo, standingBy: Instant): void {
    if (isStuckLocally(info)) return; // then the counter is that of tries to send what waits
    const { attempts } = this;
    const { probes = 0 } = info;
    if (probes > (this.#probes ?? 0)) this.#left();
    if (attempts.areLocal) return;
    const since = this.#observedAt;
    if (probes > 0 && attempts.count === 0)
      attempts.seenProbe(1, since, standingBy > since ? Math.min(now, standingBy) : now);
    attempts.seenProbe(probes, since, now);
  }

  /** Counts so many acknowledgments of ours that the peer did not hear. */
  seeUnheard(now: Instant, more: number): void {
    this.attempts.seen(this.attempts.count + more, this.#observedAt, now);
  }

  /**
   * Counts the probes of a closed window. The kernel counts also what a full queue of this host
   * refused, but does not double the time to the next one for it (tcp_send_probe0). Where that is
   * not doubled any more anyhow, from `lastBackoff` on, there is no telling. `unclear`: so many of
   * them may be unanswered for no reason.
   */
  seeWindowProbes(
    now: Instant,
    { probes = 0, backoff = 0 }: TcpInfo,
    lastBackoff: number,
    unclear: number,
  ): void {
    const more = Math.max(0, probes - (this.#probes ?? 0));
    const isRefused = more > 0 && backoff === this.#backoff && backoff < lastBackoff;
    if (isRefused) {
      this.#probesFailed += more;
      this.#failed(more, now);
      return;
    }
    if (more > 0) this.#left();
    if (!this.attempts.areLocal)
      this.attempts.seenProbe(probes - this.#probesFailed - unclear, this.#observedAt, now);
  }

  /**
   * Counts the transmissions of what is in flight, and goes without progress since `progressAt`,
   * when the kernel had sent `repeatedBefore` segments again in all.
   */
  seeTransmissions(now: Instant, info: TcpInfo, progressAt: Instant, repeatedBefore: number): void {
    const { attempts } = this;
    const { retransmits = 0 } = info;
    if (retransmits < this.#retransmits) this.#retransmitsFailed = 0;
    if (isStuckLocally(info)) {
      // Nothing leaves this host, and the kernel tries again about every 500 ms: each look is an
      // attempt.
      const before = this.#failing ?? (attempts.areLocal ? attempts : null);
      if (before === null || now - before.lastAt >= PROBE_SPACING_MS) this.#failed(1, now);
    } else if (isRetransmissionRefused(info)) this.#seeRefused(now, retransmits);
    else this.#seeSent(now, info, progressAt, repeatedBefore);
  }

  /** What happened: something refuted the attempts. */
  refuted(): void {
    this.attempts.clear();
    this.#failing = null;
    this.#nudgedAt = null;
    this.hasNudgeFailed = false;
  }

  /** What happened: it is this host that is to blame. */
  blamedHost(): void {
    this.attempts = this.#failing ?? this.attempts;
    this.#failing = null;
  }

  /** What happened: a reading was counted. */
  observed(now: Instant, { probes, backoff = 0, retransmits = 0 }: TcpInfo): void {
    if (this.#toFind !== null) this.attempts.cameUpon(this.#toFind, now);
    this.#toFind = null;
    this.#observedAt = now;
    this.#probes = probes;
    this.#backoff = backoff;
    this.#retransmits = retransmits;
    this.#probesFailed = Math.min(this.#probesFailed, probes ?? 0);
    this.#retransmitsFailed = Math.min(this.#retransmitsFailed, retransmits);
  }

  #seeRefused(now: Instant, retransmits: number): void {
    const more = retransmits < this.#retransmits ? retransmits : retransmits - this.#retransmits;
    this.#retransmitsFailed += more;
    if (more > 0) this.#failed(more, now);
  }

  #seeSent(now: Instant, info: TcpInfo, progressAt: Instant, repeatedBefore: number): void {
    const { attempts } = this;
    const sentAt = now - (info.lastDataSentMs ?? 0);
    const firstAt = attempts.areLocal ? sentAt : progressAt;
    this.#left();
    const { retransmits = 0, totalRetransmits = 0 } = info;
    // A tail loss probe is a transmission that the kernel counts among the repetitions, but not
    // among the timeouts.
    const tailProbes = Math.min(1, Math.max(0, totalRetransmits - repeatedBefore - retransmits));
    const transmissions =
      attempts.beforeFlight + 1 + tailProbes + retransmits - this.#retransmitsFailed;
    if (attempts.count === 0) {
      attempts.seen(1, firstAt, firstAt);
      attempts.seen(transmissions, sentAt, sentAt);
    } else {
      // Where the kernel does not tell, a retransmission that fails on this host moves the counter
      // but not the age of the last transmission.
      attempts.seen(transmissions, Math.max(sentAt, this.#observedAt), now);
      attempts.movedTo(sentAt);
    }
  }

  /**
   * So many more failed on this host, the last one by `now`. What fails from the start is what
   * there is to judge.
   */
  #failed(more: number, now: Instant): void {
    const { attempts } = this;
    if (attempts.count > 0 && !attempts.areLocal) this.#failing ??= new Attempts(this.#outageMs);
    const series = this.#failing ?? attempts;
    series.areLocal = true;
    series.seen(series.count + more, now, now);
  }

  /** One has left this host: those that did not asked the peer nothing. */
  #left(): void {
    if (this.attempts.areLocal) this.attempts.clear();
    this.#failing = null;
  }
}
