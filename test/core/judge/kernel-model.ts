import type { TcpInfo } from "../../../src/core/tcp-info.ts";
import { PeerSender } from "./peer-sender.ts";
import { RoundTrip } from "./round-trip.ts";
import { ShownAnswers } from "./shown-answers.ts";

/**
 * Both directions of a path over time: cut from an instant on, out for a while, or losing round
 * trips at random.
 */
export interface Path {
  readonly rttMs: number;
  /** Returns the round trip of what leaves at `at`; default always `rttMs`. */
  rttAt?(at: number): number;
  /** Called once for each packet that leaves. Returns whether the packet and its answer arrive. */
  isUp(at: number): boolean;
  /**
   * Called for each probe that arrives. Returns whether its answer arrives too; default: always.
   */
  isAnswerUp?(at: number): boolean;
  /** Returns whether a packet of the peer's own data arrives; default: as {@link isUp}. */
  isUpBack?(at: number): boolean;
  /** Returns whether our acknowledgment of such data arrives; default: as {@link isUp}. */
  isUpOut?(at: number): boolean;
  /**
   * Returns whether a box on the way lets segments without data through, but for one that reports a
   * repetition (DSACK): it is longer. Default: always.
   */
  isBareUp?(at: number): boolean;
  /** Returns whether what is sent leaves this host; default: always. */
  isSendable?(at: number): boolean;
  /**
   * How long what leaves at this instant waits in queues on the way, beside {@link rttMs}; default
   * not at all. Queues are served in order.
   */
  queuedMs?(at: number): number;
}

/** An answer of the peer that is on its way. */
interface Answer {
  readonly at: number;
  readonly acks: number;
  /** When the segment left that it answers. */
  readonly sentAt: number;
  /** The kind of segment that it answers; a window update answers none. */
  readonly to: "data" | "probe" | "none";
  readonly isReset: boolean;
}

/** The socket options that decide what the kernel does on its own. */
export interface ModelOptions {
  readonly keepalive: boolean;
  readonly idleMs: number;
  readonly intervalMs: number;
  readonly count: number;
  /** 0: none. */
  readonly userTimeoutMs: number;
  readonly rtoMaxMs: number;
}

/** Settings that the socket cannot choose. */
export interface ModelWorld {
  /** net.ipv4.tcp_retries2 of this host. */
  readonly retries2?: number;
  /** net.ipv4.tcp_invalid_ratelimit of the peer: probes are answered at most this often. */
  readonly answersEveryMs?: number;
  /**
   * `false`: the peer, or a box on the way, drops every segment without data. Data is acknowledged.
   * A function says so for each instant.
   */
  readonly answersProbes?: boolean | ((at: number) => boolean);
  /** From this instant on a box drops every segment without data; default: never. */
  readonly dropsProbesFromMs?: number;
  /** Returns whether the peer's program answers data that arrives at `at`; default: it never does. */
  readonly repliesAt?: (at: number) => boolean;
  /** When the connection is made; default 0. */
  readonly bornAtMs?: number;
  /** From this instant on the peer's host answers everything by a reset. */
  readonly resetsFromMs?: number;
}

export const MODEL_DEFAULTS: ModelOptions = {
  keepalive: true,
  idleMs: 2000,
  intervalMs: 1000,
  count: 127,
  userTimeoutMs: 0,
  rtoMaxMs: 120_000,
};

/** When the kernel repeats what a full queue of this host refused (TCP_RESOURCE_PROBE_INTERVAL). */
const LOCAL_RETRY_MS = 500;
/** The kernel computes its patience from this timeout (tcp_timer.c, tcp_model_timeout). */
const MODEL_RTO_MS = 200;
/** One jiffy, within which a timer set to the past fires. */
const JIFFY_MS = 4;
const NEVER = Number.POSITIVE_INFINITY;

/**
 * A model of Linux's side of one connection, for virtual time: keepalive with its count and nudges,
 * retransmission with backoff, cap and retries, window probes, the user timeout, and the counters
 * of TCP_INFO, after tcp_timer.c and what was measured on 6.18 (docs/internals/kernel.md). It jumps
 * from event to event. Several owners may set options in the middle of anything.
 */
export class KernelModel {
  now = 0;
  isPeerReading = true;
  state: "ESTABLISHED" | "CLOSE" = "ESTABLISHED";
  /** The error with which the kernel ended the connection. */
  error: "ETIMEDOUT" | "ECONNRESET" | null = null;
  /** Total of keepalive probes that left. */
  probesSent = 0;
  /** When the kernel ended the connection. */
  closedAt: number = NEVER;
  /** Called when the kernel has ended the connection. */
  onClosed: () => void = () => {};
  #options: ModelOptions;
  readonly #path: Path;
  readonly #world: Required<ModelWorld>;
  #dsackDuplicates = 0;
  readonly #roundTrip: RoundTrip;
  readonly #peer: PeerSender;
  #heardAt = 0;
  #answerRateLimitedUntil = Number.NEGATIVE_INFINITY;
  #keepaliveAt: number;
  #probes = 0;
  #unacked = 0;
  #notSent = 0;
  #delivered = 0;
  #lastSentAt = 0;
  #retransmits = 0;
  #retransmitted = 0;
  #firstRetransmitAt = 0;
  /** The window is closed, as far as this kernel was told. */
  #isWindowClosed = false;
  #blockedSince: number | null = null;
  #backoff = 0;
  #totalRetransmits = 0;
  #dataSegmentsOut = 0;
  /** The handshake's answer is one. */
  #segmentsIn = 1;
  /** Probes and data; the last ACK of the handshake is one more. */
  #segmentsOut = 2;
  #timerAt = NEVER;
  #isTailLossProbeNext = false;
  readonly #answers: Answer[] = [];
  /** Segments of ours that the peer's program has answered. */
  #repliedTo = 0;
  readonly #shown: ShownAnswers;

  constructor(path: Path, options: Partial<ModelOptions> = {}, world: ModelWorld = {}) {
    this.#path = path;
    this.#options = { ...MODEL_DEFAULTS, ...options };
    this.#world = {
      retries2: 15,
      answersEveryMs: 500,
      answersProbes: true,
      dropsProbesFromMs: NEVER,
      repliesAt: () => false,
      bornAtMs: 0,
      resetsFromMs: NEVER,
      ...world,
    };
    this.now = this.#world.bornAtMs;
    this.#heardAt = this.now;
    this.#lastSentAt = this.now;
    this.#roundTrip = new RoundTrip(path.rttMs);
    this.#peer = new PeerSender(path);
    this.#shown = new ShownAnswers(path.rttMs);
    this.#keepaliveAt = this.#options.keepalive ? this.now + this.#options.idleMs : NEVER;
  }

  get options(): ModelOptions {
    return this.#options;
  }

  /** The least time between two answered probes so far that readings could show. */
  get leastAnswerGapMs(): number {
    return this.#shown.leastGapMs;
  }

  get idleMs(): number {
    return this.#options.idleMs;
  }

  /**
   * Does what setsockopt does. The idle time re-arms the timer at once, interval and count act at
   * its next expiry, and SO_KEEPALIVE starts or stops it.
   */
  set(options: Partial<ModelOptions>): void {
    const before = this.#options;
    this.#options = { ...before, ...options };
    if (this.state === "CLOSE") return;
    if (!this.#options.keepalive) this.#keepaliveAt = NEVER;
    else if (options.idleMs !== undefined)
      this.#keepaliveAt = Math.max(this.now + JIFFY_MS, this.#heardAt + this.#options.idleMs);
    else if (!before.keepalive) this.#keepaliveAt = this.now + this.#options.idleMs;
  }

  /** What happened: the program wrote one segment. */
  write(): void {
    if (this.state === "CLOSE") return;
    // While data waits for its answer, nothing tells that the window has closed.
    const isTold = this.#delivered > 0 && this.#unacked === 0;
    this.#isWindowClosed ||= isTold && !this.isPeerReading;
    if (this.#isWindowClosed) {
      this.#notSent += 100;
      if (this.#timerAt === NEVER) this.#timerAt = this.now + this.#roundTrip.rtoMs;
      return;
    }
    // After a timeout one segment at a time is in flight: the lost one (tcp_enter_loss).
    if (this.#unacked > 0 && this.#retransmits > 0) {
      this.#notSent += 100;
      return;
    }
    this.#dataSegmentsOut++;
    this.#lastSentAt = this.now;
    if (this.#notSent > 0 && this.#unacked === 0) {
      this.#notSent += 100;
      this.#sendWaiting();
      return;
    }
    if (!this.#isSendable()) {
      this.#notSent += 100;
      if (this.#timerAt === NEVER) this.#timerAt = this.now + LOCAL_RETRY_MS;
      return;
    }
    this.#unacked++;
    this.#transmit();
    if (this.#timerAt === NEVER) {
      this.#isTailLossProbeNext = true;
      this.#timerAt = this.now + this.#roundTrip.rtoMs;
    }
  }

  /**
   * Requests a probe on demand: sets TCP_KEEPIDLE to its least. The probe leaves only when nothing
   * is queued and the peer was silent for 1 s.
   */
  nudge(): void {
    this.set({ idleMs: 1000 });
  }

  /** What happened: the process stands still from now on, and takes no readings; or it goes on. */
  stoodStill(isStanding: boolean): void {
    this.#shown.isRead = !isStanding;
  }

  /** The peer's program writes one segment every `everyMs` from now on, when `isTalking`. */
  peerTalks(everyMs: number, isTalking: (at: number) => boolean): void {
    this.#peer.talk(this.now, everyMs, isTalking);
  }

  /** What happened: the peer reads again, and its kernel sends a window update. */
  reopen(): void {
    this.isPeerReading = true;
    if (this.state === "CLOSE" || this.#notSent === 0) return;
    if (this.#path.isUpBack?.(this.now) ?? this.#path.isUp(this.now))
      this.#answer(this.#delivered, "none");
  }

  /** Runs until `until`, without the events of that instant. */
  run(until: number): void {
    for (;;) {
      const at = Math.min(
        this.#answers[0]?.at ?? NEVER,
        this.#timerAt,
        this.#keepaliveAt,
        this.#peer.nextAt,
      );
      if (at >= until || this.state === "CLOSE") break;
      this.now = Math.max(this.now, at);
      this.#receive();
      if (this.#peer.nextAt <= this.now && this.#peer.run(this.now)) {
        this.#heardAnything();
        this.#shown.heard(this.now);
      }
      if (this.now >= this.#timerAt) this.#onTimer();
      if (this.now >= this.#keepaliveAt) this.#onKeepalive();
    }
    this.now = Math.max(this.now, until);
  }

  info(): TcpInfo {
    return {
      state: this.state,
      retransmits: this.#retransmits,
      probes: this.#probes,
      backoff: this.#backoff,
      // Window probes count the backoff up, and leave the timeout.
      rtoMs: Math.min(
        this.#roundTrip.rtoMs * (this.#retransmits > 0 ? 2 ** this.#backoff : 1),
        this.#options.rtoMaxMs,
      ),
      rttMs: this.#roundTrip.smoothedMs,
      rttVarMs: this.#roundTrip.varianceMs,
      minRttMs: this.#path.rttMs,
      unackedSegments: this.#unacked,
      retransmittedSegments: this.#retransmitted,
      notSentBytes: this.#notSent,
      sendMssBytes: 1448,
      sendWindowBytes: this.#isWindowClosed ? 0 : 65_536,
      lastDataSentMs: this.now - this.#lastSentAt,
      lastDataReceivedMs: this.now - Math.max(0, this.#peer.receivedAt),
      segmentsIn: this.#segmentsIn + this.#peer.segmentsIn,
      segmentsOut: this.#segmentsOut + this.#peer.segmentsIn,
      dataSegmentsIn: this.#peer.segmentsIn,
      bytesReceived: 100 * this.#peer.received,
      // The kernel's clock ticks at 4 ms.
      lastAckReceivedMs: Math.floor((this.now - this.#heardAt) / JIFFY_MS) * JIFFY_MS,
      totalRetransmits: this.#totalRetransmits,
      dataSegmentsOut: this.#dataSegmentsOut + this.#totalRetransmits,
      // A segment that arrived twice counts as delivered twice (tcp_input.c, tcp_dsack_seen).
      deliveredSegments: this.#delivered + this.#dsackDuplicates,
      dsackDuplicates: this.#dsackDuplicates,
    };
  }

  #receive(): void {
    for (
      let answer = this.#answers[0];
      answer && answer.at <= this.now;
      answer = this.#answers[0]
    ) {
      this.#answers.shift();
      if (answer.isReset) {
        this.#close("ECONNRESET");
        return;
      }
      if (answer.acks > this.#delivered) this.#roundTrip.sample(this.now - answer.sentAt);
      this.#heard(answer);
      if (answer.to === "probe") this.#shown.answered(this.now);
      else this.#shown.heard(this.now);
    }
  }

  #heardAnything(): void {
    this.#heardAt = this.now;
    this.#probes = 0;
    if (this.#isWindowClosed && this.isPeerReading) this.#opened();
  }

  #heard({ acks, to }: Answer): void {
    this.#segmentsIn++;
    if (acks <= this.#delivered) {
      if (to === "data") this.#dsackDuplicates++;
      this.#heardAnything();
      return;
    }

    this.#heardAt = this.now;
    this.#probes = 0;
    this.#unacked -= acks - this.#delivered;
    this.#delivered = acks;
    this.#retransmits = 0;
    this.#retransmitted = 0;
    this.#backoff = 0;
    this.#isTailLossProbeNext = this.#unacked > 0;
    this.#timerAt = this.#unacked > 0 ? this.now + this.#roundTrip.rtoMs : NEVER;
    if (this.#unacked > 0 || this.#notSent === 0) return;
    this.#isWindowClosed = !this.isPeerReading;
    if (this.isPeerReading) this.#opened();
    else this.#timerAt = this.now + this.#roundTrip.rtoMs;
  }

  /** The peer said that its window is open again (tcp_input.c, tcp_ack_probe). */
  #opened(): void {
    this.#isWindowClosed = false;
    this.#backoff = 0;
    this.#sendWaiting();
  }

  #close(error: "ETIMEDOUT" | "ECONNRESET"): void {
    this.state = "CLOSE";
    this.error = error;
    this.#timerAt = NEVER;
    this.#keepaliveAt = NEVER;
    this.#answers.length = 0;
    this.closedAt = this.now;
    this.onClosed();
  }

  #isSendable(): boolean {
    return this.#path.isSendable?.(this.now) ?? true;
  }

  #queuedMs(): number {
    return this.#path.queuedMs?.(this.now) ?? 0;
  }

  /** How long what leaves now takes there and back. */
  #thereAndBackMs(): number {
    return (this.#path.rttAt?.(this.now) ?? this.#path.rttMs) + this.#queuedMs();
  }

  /** Queues the answer to what leaves now. The order of packets is kept. */
  #answer(acks: number, to: Answer["to"]): void {
    this.#answers.push({
      at: Math.max(this.now + this.#thereAndBackMs(), this.#answers.at(-1)?.at ?? 0),
      acks,
      sentAt: this.now,
      to,
      isReset: this.now >= this.#world.resetsFromMs,
    });
  }

  #transmit(): void {
    this.#lastSentAt = this.now;
    this.#segmentsOut++;
    if (!this.#path.isUp(this.now)) return;
    this.#peer.hears(this.now);
    const acks = this.#delivered + this.#unacked;
    this.#answer(acks, "data");
    if (acks <= this.#repliedTo) return;
    this.#repliedTo = acks;
    const arrivesAt = this.now + this.#thereAndBackMs() / 2;
    if (this.#world.repliesAt(arrivesAt)) this.#peer.write(arrivesAt);
  }

  /** Sends a segment without data, which only calls for an acknowledgment. */
  #probe(): void {
    this.#probes++;
    this.#segmentsOut++;
    const { answersProbes } = this.#world;
    const isAnswered = typeof answersProbes === "boolean" ? answersProbes : answersProbes(this.now);
    if (!this.#path.isUp(this.now) || !isAnswered) return;
    if (this.now >= this.#world.dropsProbesFromMs) return;
    const arrivesAt = this.now + this.#queuedMs();
    if (arrivesAt < this.#answerRateLimitedUntil) return;
    this.#answerRateLimitedUntil = arrivesAt + this.#world.answersEveryMs;
    if (this.#path.isAnswerUp?.(this.now) ?? true) this.#answer(this.#delivered, "probe");
  }

  #onTimer(): void {
    if (this.#unacked > 0) this.#onRetransmitTimer();
    else if (this.#isWindowClosed) this.#onWindowProbeTimer();
    else this.#sendWaiting();
  }

  #onWindowProbeTimer(): void {
    const { userTimeoutMs } = this.#options;
    this.#blockedSince ??= this.now;
    if (userTimeoutMs > 0 && this.now - this.#blockedSince >= userTimeoutMs) {
      this.#close("ETIMEDOUT");
      return;
    }
    if (this.#probes >= this.#world.retries2) {
      this.#close("ETIMEDOUT");
      return;
    }
    if (!this.#isSendable()) {
      this.#probes++;
      this.#timerAt = this.now + LOCAL_RETRY_MS;
      return;
    }
    this.#probe();
    this.#backoff = Math.min(this.#backoff + 1, this.#world.retries2);
    this.#timerAt = this.now + this.#timeoutMs();
  }

  #onRetransmitTimer(): void {
    if (this.#hasGivenUp()) {
      this.#close("ETIMEDOUT");
      return;
    }
    this.#totalRetransmits++;
    if (!this.#isSendable() && !this.#isTailLossProbeNext) {
      this.#countRetransmit();
      this.#retransmitted = 0;
      this.#lastSentAt = this.now;
      this.#timerAt = this.now + LOCAL_RETRY_MS;
      return;
    }
    if (this.#isTailLossProbeNext) this.#isTailLossProbeNext = false;
    else {
      this.#countRetransmit();
      this.#retransmitted = 1;
      this.#backoff++;
    }
    if (this.#isSendable()) this.#transmit();
    this.#timerAt = this.now + Math.min(this.#timeoutMs(), this.#leftOfUserTimeoutMs());
  }

  /** The timer fires when the user timeout ends (tcp_timer.c, tcp_clamp_rto_to_user_timeout). */
  #leftOfUserTimeoutMs(): number {
    const { userTimeoutMs } = this.#options;
    if (userTimeoutMs === 0 || this.#retransmits === 0) return NEVER;
    return Math.max(JIFFY_MS, this.#firstRetransmitAt + userTimeoutMs - this.now);
  }

  #countRetransmit(): void {
    if (this.#retransmits === 0) this.#firstRetransmitAt = this.now;
    this.#retransmits++;
  }

  /**
   * Returns whether the kernel gives up: by the user timeout, else by the sum of the doublings
   * (tcp_timer.c, retransmits_timed_out).
   */
  #hasGivenUp(): boolean {
    if (this.#retransmits === 0) return false;
    const { userTimeoutMs, rtoMaxMs } = this.#options;
    let patienceMs = userTimeoutMs;
    if (userTimeoutMs === 0)
      for (let i = 0; i <= this.#world.retries2; i++)
        patienceMs += Math.min(MODEL_RTO_MS * 2 ** i, rtoMaxMs);
    return this.now - this.#firstRetransmitAt >= patienceMs;
  }

  #timeoutMs(): number {
    return Math.min(this.#roundTrip.rtoMs * 2 ** this.#backoff, this.#options.rtoMaxMs);
  }

  /** Tries again what could not leave this host, or had to wait for an open window. */
  #sendWaiting(): void {
    this.#blockedSince = null;
    this.#lastSentAt = this.now;
    if (!this.#isSendable()) {
      this.#timerAt = this.now + LOCAL_RETRY_MS;
      return;
    }
    this.#unacked = Math.ceil(this.#notSent / 100);
    this.#notSent = 0;
    this.#transmit();
    this.#isTailLossProbeNext = true;
    this.#timerAt = this.now + this.#roundTrip.rtoMs;
  }

  /** tcp_timer.c, tcp_keepalive_timer. */
  #onKeepalive(): void {
    const { idleMs, intervalMs, count, userTimeoutMs } = this.#options;
    if (this.#unacked > 0 || this.#notSent > 0) {
      this.#keepaliveAt = this.now + idleMs;
      return;
    }
    const silence = this.now - this.#heardAt;
    // Compared as instants: the rest of a fraction of a millisecond may be too small to move the
    // clock.
    if (this.now < this.#heardAt + idleMs) {
      this.#keepaliveAt = this.#heardAt + idleMs;
      return;
    }
    const isOver =
      userTimeoutMs > 0 ? silence >= userTimeoutMs && this.#probes > 0 : this.#probes >= count;
    if (isOver) {
      this.#close("ETIMEDOUT");
      return;
    }
    if (!this.#isSendable()) {
      this.#keepaliveAt = this.now + LOCAL_RETRY_MS;
      return;
    }
    this.probesSent++;
    this.#probe();
    this.#keepaliveAt = this.now + intervalMs;
  }
}
