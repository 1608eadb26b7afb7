import type { TcpInfo } from "../tcp-info.ts";
import type { Instant } from "../time/instant.ts";
import type { Answers } from "./answers.ts";
import { Attempts } from "./attempts.ts";
import type { PathTiming } from "./path-timing.ts";
import type { Progress } from "./progress.ts";
import { isRetransmissionRefused, isStuckLocally, type Reading } from "./reading.ts";
import type { CounterState } from "./silence.ts";

/**
 * Finds in the kernel's counters what was sent and not answered. Only a packet that left this
 * host counts against the peer: a full queue here makes the kernel count a timeout without sending,
 * and swallows a probe on demand without a trace.
 *
 * Called in this order for each reading: {@link refuted} when the peer was heard, then
 * {@link observe}, then {@link blamedHost} when the failures on this host prove enough.
 */
export class AttemptCounter {
  /** The attempts to be judged. */
  attempts: Attempts;

  /**
   * Attempts in a row that failed on this host after others had left it. They do not count against
   * the peer, so they are a series of their own; `null`: none.
   */
  failing: Attempts | null = null;
  #hasNudgeFailed = false;
  readonly #outageMs: number;
  /** When a probe on demand was requested of which no reading shows yet whether it left. */
  #nudgedAt: Instant | null = null;
  /** How many attempts in the next reading are *found*; `null`: that reading was counted. */
  #toFind: number | null;
  /** The kernel counts probes, so a reading shows whether one left. */
  #areProbesTold = false;
  /** Probes of a closed window, and timeouts in a row, that failed on this host. */
  #probesFailed = 0;
  #timeoutsFailed = 0;

  /**
   * `outageMs`: the longest outage that a connection survives. `found`: how many unanswered
   * attempts the first reading may show from before the watch. `answers`: which probes the peer
   * answers.
   */
  constructor(outageMs: number, found: number, answers: Answers) {
    this.#outageMs = outageMs;
    this.#toFind = found;
    this.attempts = new Attempts(outageMs, answers);
  }

  /** What is unanswered, and what became of the last probe on demand. */
  state(answerWindowMs: number): CounterState {
    const nudgedAt = this.#nudgedAt;
    const isAwaitingNudge = nudgedAt !== null;
    // Where the answer takes long, the next probe does not wait for it.
    const dueMs = Math.min(answerWindowMs, LOCAL_RETRY_MS - NUDGE_LEAVES_WITHIN_MS);
    return {
      attempts: this.attempts,
      isUnquestioned: this.attempts.count === 0 && !isAwaitingNudge,
      isAwaitingNudge,
      hasNudgeFailed: this.#hasNudgeFailed,
      nudgeDueAt: isAwaitingNudge
        ? nudgedAt + Math.max(NUDGE_LEAVES_WITHIN_MS, dueMs)
        : Number.POSITIVE_INFINITY,
    };
  }

  /** What happened before: a reading showed nothing unanswered. */
  begin({ probes }: TcpInfo): void {
    this.#toFind = null;
    this.#areProbesTold = probes !== undefined;
  }

  /** What happened: a probe on demand was requested. If no reading can show it, it left. */
  nudged(now: Instant): void {
    if (this.#areProbesTold) this.#nudgedAt = now;
    else this.attempts.seenProbe(this.attempts.count + 1, now, now);
  }

  /** What happened: this process stood still for `gapMs`; infinite: too long to go on counting. */
  stalled(now: Instant, gapMs: number): void {
    this.attempts.shift(gapMs, now);
    this.failing?.shift(gapMs, now);
    // An answer to it came before the granted silence began; the kernel counts it if it left.
    this.#nudgedAt = null;
    if (gapMs === Number.POSITIVE_INFINITY) this.#toFind = Number.POSITIVE_INFINITY;
  }

  /** What happened: the peer was heard. `answers`: which probes it answers, as known since. */
  refuted(answers?: Answers): void {
    this.attempts.clear(answers);
    this.failing = null;
    this.#nudgedAt = null;
    this.#hasNudgeFailed = false;
  }

  /**
   * What happened: a reading. The peer did not hear `unheard` of our acknowledgments, the last of
   * which left at `unheardAt` at the earliest.
   */
  observe(reading: Reading, counted: Counted): void {
    const { standingBy, lastBackoff, unheard, unheardAt, timing, progress } = counted;
    const { flow, since, info } = reading;
    if (unheard > 0) this.attempts.seen(this.attempts.count + unheard, unheardAt, reading.at);
    if (this.#nudgedAt !== null) this.#seeNudge(reading, this.#nudgedAt);
    if (since.takesOff || flow === "idle") this.#seeProbes(reading, standingBy);
    if (since.takesOff) this.attempts.takeOff();
    if (flow === "blocked") this.#seeWindowProbes(reading, lastBackoff, timing);
    else if (flow === "in-flight") this.#seeTransmissions(reading, progress);
    if (this.#toFind !== null) this.attempts.cameUpon(this.#toFind, reading.at);
    this.#toFind = null;
    this.#areProbesTold = info.probes !== undefined;
    this.#probesFailed = Math.min(this.#probesFailed, info.probes ?? 0);
    this.#timeoutsFailed = Math.min(this.#timeoutsFailed, info.retransmits ?? 0);
  }

  /** What happened: this host is to blame, so its failures are what there is to judge. */
  blamedHost(): void {
    this.attempts = this.failing ?? this.attempts;
    this.failing = null;
  }

  /**
   * Finds whether the probe on demand has left. With data to send the kernel sends none, and counts
   * its tries to send the data instead.
   */
  #seeNudge({ at, info, flow, since }: Reading, nudgedAt: Instant): void {
    if (since.probes > 0 && !isStuckLocally(info)) {
      this.#left();
      const latest = at - nudgedAt < LOCAL_RETRY_MS ? nudgedAt : at;
      this.attempts.seenProbe(this.attempts.count + 1, nudgedAt, latest);
    } else if (flow === "idle") {
      if (at - nudgedAt < NUDGE_LEAVES_WITHIN_MS) return;
      this.#failed(1, nudgedAt, nudgedAt);
      this.#hasNudgeFailed = true;
    }
    this.#nudgedAt = null;
  }

  /** Counts the kernel's probes. The first one, the standing probe, left by `standingBy`. */
  #seeProbes({ at, info, since }: Reading, standingBy: Instant): void {
    // The kernel's counter then counts tries to send what waits.
    if (isStuckLocally(info)) return;
    const { probes = 0 } = info;
    if (since.probes > 0) this.#left();
    const { attempts } = this;
    if (attempts.areLocal) return;
    if (probes > 0 && attempts.count === 0)
      attempts.seenProbe(1, since.at, standingBy > since.at ? Math.min(at, standingBy) : at);
    attempts.seenProbe(probes, since.at, at);
  }

  /**
   * Counts the probes of a closed window. The kernel also counts a probe that a full queue of this
   * host refused, but does not double the time to the next one for it (tcp_send_probe0). From
   * `lastBackoff` on the kernel doubles no more, and both cases look the same.
   */
  #seeWindowProbes({ at, info, since }: Reading, lastBackoff: number, timing: PathTiming): void {
    const { probes = 0, backoff = 0 } = info;
    // A keepalive probe that left before the window closed has no backoff either.
    const was = since.flowBefore;
    if (was === "blocked" && since.probes > 0 && since.doublings === 0 && backoff < lastBackoff) {
      this.#probesFailed += since.probes;
      this.#failed(since.probes, since.at, at);
      return;
    }
    if (since.probes > 0) this.#left();
    if (this.attempts.areLocal) return;
    const count = probes - this.#probesFailed - timing.unclearWindowProbes(info);
    this.attempts.seenProbe(count, since.at, at);
  }

  /** Counts the transmissions of what is in flight. */
  #seeTransmissions(reading: Reading, progress: Progress): void {
    const { at, info, since } = reading;
    // The kernel dates each try, also one that fails here. The queue may have been free since.
    const triedAt = at - (info.lastDataSentMs ?? 0);
    if (since.isNewSeries) this.#timeoutsFailed = 0;
    if (isStuckLocally(info)) {
      const before = this.failing ?? (this.attempts.areLocal ? this.attempts : null);
      if (before === null || triedAt - before.lastAt >= LOCAL_RETRY_MS / 2)
        this.#failed(1, triedAt, triedAt);
    } else if (isRetransmissionRefused(info)) {
      // The kernel doubles its timeout for each retransmission that left.
      const failed = since.timeouts - Math.max(0, since.doublings);
      this.#timeoutsFailed += failed;
      if (failed > 0) this.#failed(failed, triedAt, triedAt);
    } else this.#seeSent(reading, progress);
  }

  #seeSent({ at, info, since }: Reading, progress: Progress): void {
    const { attempts } = this;
    const { retransmits = 0, totalRetransmits = 0, lastDataSentMs = 0 } = info;
    const sentAt = at - lastDataSentMs;
    const firstAt = attempts.areLocal ? sentAt : progress.at;
    this.#left();
    // The kernel counts a tail loss probe among the repetitions, but not among the timeouts.
    const repeated = totalRetransmits - progress.repeatedBefore;
    const tailProbes = Math.min(1, Math.max(0, repeated - retransmits));
    const transmissions =
      attempts.beforeFlight + 1 + tailProbes + retransmits - this.#timeoutsFailed;

    if (attempts.count === 0) {
      attempts.seen(1, firstAt, firstAt);
      attempts.seen(transmissions, sentAt, sentAt);
    } else {
      // Where refusals are not counted apart, a retransmission that fails on this host moves the
      // counter but not the age of the last transmission.
      attempts.seen(transmissions, Math.max(sentAt, since.at), at);
      attempts.movedTo(sentAt);
    }
  }

  /**
   * Counts `more` attempts that failed here, the newest between `earliest` and `latest`. A series
   * that fails from the start is judged.
   */
  #failed(more: number, earliest: Instant, latest: Instant): void {
    const { attempts } = this;
    if (attempts.count > 0 && !attempts.areLocal) this.failing ??= new Attempts(this.#outageMs);
    const series = this.failing ?? attempts;
    series.areLocal = true;
    series.seen(series.count + more, earliest, latest);
  }

  /** Drops the failures on this host, since an attempt has left it. */
  #left(): void {
    if (this.attempts.areLocal) this.attempts.clear();
    this.failing = null;
    this.#hasNudgeFailed = false;
  }
}

/** The facts beside a reading that decide how it is counted. */
export interface Counted {
  readonly standingBy: Instant;
  readonly lastBackoff: number;
  readonly unheard: number;
  readonly unheardAt: Instant;
  readonly timing: PathTiming;
  readonly progress: Progress;
}

/**
 * A probe on demand leaves within a jiffy or two, or 50 ms later where the socket was in use
 * (docs/internals/kernel.md#nudge); then the kernel has counted it.
 */
const NUDGE_LEAVES_WITHIN_MS = 100;

/** tcp.h, TCP_RESOURCE_PROBE_INTERVAL. */
const LOCAL_RETRY_MS = 500;
