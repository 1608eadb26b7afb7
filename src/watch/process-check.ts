import type { Socket } from "node:net";
import type { HeartbeatProof } from "../core/judge/heartbeat-proof.ts";
import { HEARD_SLACK_MS } from "../core/judge/lateness.ts";
import { SMALLEST_BUDGET_MS } from "../core/judge/probe-plan.ts";
import { ProcessProof } from "../core/judge/process-proof.ts";
import { type ProcessTerms, processTerms } from "../core/judge/process-terms.ts";
import { QuickProcess } from "../core/judge/quick-process.ts";
import { ACK_MS, isQuickBudget, outageOf, quickTerms } from "../core/judge/quick-terms.ts";
import type { TcpInfo } from "../core/tcp-info.ts";
import type { Instant } from "../core/time/instant.ts";
import { hasRtoMax } from "../kernel/options/has-rto-max.ts";
import { BytesAhead } from "./bytes-ahead.ts";
import { DataGaps } from "./data-gaps.ts";
import { engine } from "./engine.ts";
import { isReading } from "./handle.ts";
import type { HostCheck } from "./host/host-check.ts";
import { QuickHostCheck } from "./host/quick-host-check.ts";
import type { ClientHeartbeat, WatchDetector } from "./options.ts";
import { surface } from "./surface.ts";

/** The connection that the evidence is of. An object, because functions for each cost 100 B. */
export interface EvidenceOwner {
  /** The socket that the program uses; a TLSSocket may be put over it later. */
  readonly top: Socket;
  /** Checks at once, because a heartbeat was answered or failed. */
  recheck(): void;
}

/** The evidence of the peer's kernel. */
type Host = Pick<HostCheck, "info" | "heardAt" | "loss" | "judged">;

interface ProofSettings {
  readonly detectWithinMs: number;
  readonly surviveOutageMs: number | null;
  readonly onDead: "reset" | "destroy" | "report";
  readonly detector: WatchDetector | null;
  readonly isAnswerOwed: boolean;
  readonly atDeadline: "wait" | "end";
}

/**
 * Checks one peer's process by the user's heartbeat whenever its last sign of life is too old.
 * Exists only if there is a heartbeat.
 */
export class ProcessCheck {
  proof: HeartbeatProof;
  readonly heartbeat: ClientHeartbeat;
  readonly #owner: EvidenceOwner;
  #bytesRead = 0;
  #gaps: DataGaps;
  readonly #ahead: BytesAhead = new BytesAhead();
  #settings: ProofSettings;
  #terms: ProcessTerms;
  /** The host was silent when it was last checked. Noted where the outage was chosen. */
  #wasInOutage = false;
  /** When the first heartbeat of this silence left, and when the host was first heard since. */
  #askedAt: Instant = 0;
  #arrivedAt: Instant = 0;

  constructor(heartbeat: ClientHeartbeat, settings: ProofSettings, owner: EvidenceOwner) {
    this.heartbeat = heartbeat;
    this.#owner = owner;
    this.#terms = termsOf(settings);
    this.#gaps = new DataGaps(settings.detectWithinMs, settings.surviveOutageMs);
    this.proof = proofFor(settings, this.#terms, settings.isAnswerOwed);
    this.#settings = settings;
  }

  /**
   * The program has ended the connection or its client: nothing can be asked any more, and what was
   * asked before may stay unanswered.
   */
  get isOver(): boolean {
    return this.#owner.top.writableEnded || this.heartbeat.hasEnded?.() === true;
  }

  /**
   * Returns whether the answer may still be on its way at the end of the budget
   * (docs/internals/evidence.md#the-process):
   *
   * - The host was heard for the first time since the heartbeat left only just now, so the
   *   heartbeat came late; or for the first time after an outage, which the answer may have met.
   * - The host is silent too, and an outage that is to be survived explains that.
   * - The path loses again and again: heartbeat or answer may be lost, and the kernels repeat them
   *   ever more rarely.
   */
  mayBeAnswered(now: Instant, host: Host | null): boolean {
    if (!isPatient(this.#settings)) return false;
    const { detectWithinMs } = this.#settings;
    if (host === null) return this.proof.silentForMs(now) < this.#terms.aloneMs - ALONE_SLACK_MS;
    if (this.#hasArrived && now < this.#arrivedAt + this.#terms.answerMs) return true;
    const isQuick = host instanceof QuickHostCheck;
    if (isInOutage(host) || (isQuick && this.#isUndecided(host, now))) return true;
    // Within a short budget the peer's kernel has not repeated a lost answer often enough.
    const patienceMs = Math.max(detectWithinMs, SMALLEST_BUDGET_MS);
    const isLossy = host.loss.isRepeated || (isQuick && this.#gaps.mayHoldBack(now));
    return isLossy && this.proof.silentForMs(now) < 2 * patienceMs;
  }

  /**
   * A short budget may end before the host is judged, which then decides: no heartbeat may have
   * come, or what is in flight waits for a lost segment, the heartbeats among it.
   */
  #isUndecided({ missed }: QuickHostCheck, now: Instant): boolean {
    const { isStanding, wentOnAt } = this.#ahead;
    const isPending = !this.#hasArrived || missed > 0 || isStanding;
    return isPending || now < wentOnAt + this.#terms.answerMs;
  }

  /** The host was heard since the first heartbeat of this silence left. */
  get #hasArrived(): boolean {
    return this.#arrivedAt !== Number.POSITIVE_INFINITY;
  }

  /**
   * Goes on with other settings of the same heartbeat. A pending call stays the only one, and its
   * answer counts.
   */
  restart(settings: ProofSettings): void {
    const { isAsking, isBelieved } = this.proof;
    this.#settings = settings;
    this.#terms = termsOf(settings);
    this.#gaps = new DataGaps(settings.detectWithinMs, settings.surviveOutageMs);
    this.proof = proofFor(settings, this.#terms, isBelieved || settings.isAnswerOwed);
    if (isAsking) this.proof.asked(engine.now());
  }

  /** `host`: the evidence of the peer's kernel, if there is any. Returns the next deadline. */
  check(now: Instant, stalledMs: number, host: Host | null): Instant {
    const { proof } = this;
    const info = host?.info ?? null;
    const { bytesRead = 0 } = this.#owner.top; // a stream that is no socket has none
    if (stalledMs > 0) proof.stalled(now, stalledMs);
    if (info?.lastDataReceivedMs !== undefined) proof.heard(now - info.lastDataReceivedMs);
    else if (bytesRead !== this.#bytesRead) proof.heard(now);
    this.#bytesRead = bytesRead;
    const behindGapAt = info && this.#gaps.observe(now, info);
    if (behindGapAt !== null) proof.heard(behindGapAt);
    // A program that does not read cannot see an answer: that is our side, not the peer's.
    if (!isReading(this.#owner.top)) proof.heard(now);
    if (info) this.#ahead.observe(now, info);
    if (info && proof.isAsking && this.#ahead.haveAdvanced(now, info)) proof.delayed(now);
    if (host) this.#seeHost(host, stalledMs);
    if (host instanceof QuickHostCheck) this.#seek(host, now);
    const next = Math.min(proof.next(now), this.#nextLook(host, info, now));
    if (!proof.wantsHeartbeat) return next;
    this.#ask(now, info);
    return Math.min(next, now + ARRIVAL_SHARE * this.#settings.detectWithinMs);
  }

  /** While an answer is missing, the host is judged by the heartbeats, and they by the host. */
  #seek(host: QuickHostCheck, now: Instant): void {
    const { proof } = this;
    if (!(proof instanceof QuickProcess)) return;
    // A peer that talks may still hear nothing of us.
    const isMissing = proof.isMissing(now) || this.#ahead.isStanding;
    proof.host = isMissing ? host.seek(now) : host.found();
  }

  /** Within a short budget what is in flight is looked at once its acknowledgment is due. */
  #nextLook(host: Host | null, info: TcpInfo | null, now: Instant): Instant {
    const isDue = host instanceof QuickHostCheck && this.#ahead.isInFlight;
    return isDue ? now + (info?.rttMs ?? 0) + ACK_MS : Number.POSITIVE_INFINITY;
  }

  /** Learns when the peer's kernel was first heard, after the heartbeat and after an outage. */
  #seeHost(host: Host, stalledMs: number): void {
    // On a short path the acknowledgment comes within a tick of the kernel's clock.
    if (host.heardAt > this.#askedAt - HEARD_SLACK_MS)
      this.#arrivedAt = Math.min(this.#arrivedAt, host.heardAt) + stalledMs;
    if (this.#settings.surviveOutageMs === null) return;
    const isSilent = host.judged.state === "suspect" && host.judged.unanswered > 0;
    if (this.#wasInOutage && !isSilent) this.#arrivedAt = host.heardAt;
    this.#wasInOutage = isSilent && this.#hasArrived;
  }

  #ask(now: Instant, info: TcpInfo | null): void {
    // Within a short budget heartbeats overlap: the first one's bytes count.
    if (!this.proof.isAsking) this.#ahead.begin(now, this.#owner.top.writableLength, info);
    if (this.#askedAt <= this.proof.heardAt) {
      this.#askedAt = now;
      this.#arrivedAt = Number.POSITIVE_INFINITY;
    }
    this.proof.asked(now);
    const answered = (): void => {
      this.proof.answered(engine.now());
      this.#owner.recheck();
    };
    const failed = (error: unknown): void => {
      this.proof.failed(engine.now(), wordsOf(error));
      this.#owner.recheck();
    };
    try {
      const answer = this.heartbeat();
      if (answer === undefined) this.proof.excused(now);
      else Promise.resolve(answer).then(answered, failed).catch(surface);
    } catch (error) {
      failed(error);
    }
  }
}

/** The proof itself ends its budget by as much earlier. */
const ALONE_SLACK_MS = 30;

/** After this share of the budget a reading shows whether the peer's kernel has the heartbeat. */
const ARRIVAL_SHARE = 0.1;

/** The end of the budget is not final. A detector of the program's own decides by itself. */
function isPatient({ detector, atDeadline }: ProofSettings): boolean {
  return atDeadline === "wait" && detector === null;
}

/** A silence of the host that an outage may explain which is to be survived. */
function isInOutage({ judged }: Host): boolean {
  return judged.state === "suspect" && judged.unanswered > 0 && !judged.isOutlasted;
}

function termsOf({ detectWithinMs, surviveOutageMs, onDead }: ProofSettings): ProcessTerms {
  return processTerms(detectWithinMs, surviveOutageMs, onDead !== "report" && hasRtoMax());
}

function proofFor(
  { detectWithinMs, surviveOutageMs, detector }: ProofSettings,
  { quietMs }: ProcessTerms,
  isBelieved: boolean,
): HeartbeatProof {
  const now = engine.now();
  if (isQuickBudget(detectWithinMs)) {
    const terms = quickTerms(detectWithinMs, outageOf(detectWithinMs, surviveOutageMs));
    return new QuickProcess(terms, now, isBelieved);
  }
  return new ProcessProof(
    detectWithinMs,
    now,
    detector && { intervalMs: detector.intervalMs, detector: detector.make(now) },
    isBelieved,
    quietMs,
  );
}

/** Returns the text of a rejection, which may be any value, even one that has no text. */
function wordsOf(error: unknown): string {
  try {
    return String(error instanceof Error ? error.message : error);
  } catch {
    return "a value that cannot be made text";
  }
}
