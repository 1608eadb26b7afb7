import type { Socket } from "node:net";
import {
  CALM,
  diagnose,
  diagnoseEnding,
  diagnosisOf,
  type Judged,
  type Surroundings,
} from "../core/cause/diagnose.ts";
import type { Diagnosis, State } from "../core/diagnosis.ts";
import { DeadPeerError, HalfOpenError } from "../core/errors.ts";
import type { Instant } from "../core/time/instant.ts";
import type { WheelEntry } from "../core/time/timer-wheel.ts";
import type { Applied } from "./applied.ts";
import { type Checked, engine } from "./engine.ts";
import { Evidence } from "./evidence.ts";
import { endpointsOf, errorCodeOf, hasSeenEnd, isReading } from "./handle.ts";
import { asksTheSame, type WatchSettings } from "./options.ts";
import { connectionOf, listen, type SocketRecord, stopListening } from "./socket-events.ts";
import { publishState } from "./state-channel.ts";
import {
  type Subscriber,
  type WatchEvent,
  withoutSubscriber,
  withSubscriber,
} from "./subscribers.ts";
import { surroundingsOf } from "./surroundings.ts";
import { requireTcp } from "./watchable.ts";

/**
 * The one record of a watched connection, until its socket closes. It owns no timer, and no
 * listener that a program could take off.
 *
 * | phase   | holds                      | the connection             | ends with                          |
 * |---------|----------------------------|----------------------------|------------------------------------|
 * | pending | nothing                    | does not exist yet         | `connected`, `closed`              |
 * | watched | the evidence               | is checked                 | a verdict, `closed`, `handedOver`  |
 * | dead    | the evidence, the verdict  | waits for its socket       | `closed`                           |
 * | ended   | the last diagnosis, if any | is over, or left to itself |                                    |
 */
export class Connection implements Checked, SocketRecord {
  wheelNext: WheelEntry | null = null;
  wheelPrevious: WheelEntry | null = null;
  wheelSlot = -1;
  wheelTick = 0;
  readonly socket: Socket;
  state: State = "alive";
  #subscriber: Subscriber;
  #phase: Phase = PENDING;
  /** The program was told that the budget is over. */
  #isOverdueTold = false;
  /** What is seen of an end that the event loop has not told yet. */
  #ending: Ending | null = null;

  /** Joins the socket's record, or makes it. Where it throws, nothing has changed. */
  static watch(socket: Socket, subscriber: Subscriber): Connection {
    const known = connectionOf(socket);
    if (!(known instanceof Connection)) return new Connection(socket, subscriber);
    known.#serve(withSubscriber(known.#subscriber, subscriber));
    return known;
  }

  private constructor(socket: Socket, subscriber: Subscriber) {
    this.socket = socket;
    this.#subscriber = subscriber;
    if (!socket.pending) this.#begin();
    listen(this);
  }

  get applied(): Applied | null {
    return this.#evidence?.applied ?? null;
  }

  get rttMs(): number | null {
    return this.#evidence?.rttMs ?? null;
  }

  get silentForMs(): number | null {
    const heardAt = this.#evidence?.heardAt ?? null;
    return heardAt === null ? null : Math.max(0, engine.now() - heardAt);
  }

  /** Returns the final verdict once there is one, else what can be said now. */
  diagnose(): Diagnosis {
    const told = this.#told;
    if (told) return told;
    const now = engine.now();
    if (this.#ending?.since == null) return this.#diagnoseAs(this.state, now);
    return this.#diagnoseEnding(now, this.#evidence?.untoldError ?? null);
  }

  /** One of the watches ends; the last one leaves the socket as it was. */
  leave(subscriber: Subscriber): void {
    if (this.#phase.name === "ended") return;
    const left = withoutSubscriber(this.#subscriber, subscriber);
    try {
      if (left) this.#serve(left);
      else this.#release(true, null);
    } catch (error) {
      this.#subscriber = left ?? subscriber; // a detector of another watch could not be made anew
      this.fail(error);
    }
  }

  check(now: Instant): Instant {
    if (this.#phase.name !== "watched") return Number.POSITIVE_INFINITY;
    const evidence = this.#phase;
    if (!evidence.isHeld) return this.#gone(now);
    const next = evidence.check(now);
    if (next === null) return this.#kernelClosed(now, evidence);

    this.#settle(now, evidence);
    return this.#phase === evidence ? next : Number.POSITIVE_INFINITY;
  }

  /**
   * A check throws again and again, or the connection that came about is none to watch: the socket
   * is left as it was.
   */
  fail(error: unknown): void {
    if (this.#phase.name === "ended") return;
    this.#release(true, null);
    const refusal =
      error instanceof HalfOpenError
        ? error
        : new HalfOpenError("ERR_NOT_SUPPORTED", `cannot be watched: ${error}`, { cause: error });
    this.#subscriber.unwatched(refusal, this);
  }

  /** What the evidence says: there is news. */
  recheck(): void {
    if (this.#phase.name === "watched") engine.schedule(this, engine.now());
  }

  /** What the socket says: the connection exists. An exception here would be the program's. */
  connected(): void {
    if (this.#evidence) return;
    try {
      requireTcp(this.socket);
      this.#begin();
    } catch (error) {
      this.fail(error);
    }
  }

  /** The event loop does not read, for now. */
  paused(): void {
    if (this.#phase.name !== "watched") return;
    engine.schedule(this, this.#phase.nextUnread(engine.now()));
  }

  /** The peer's end was read, or what the event loop takes for it; it reads no more. */
  ended(): void {
    const untoldError = this.#evidence?.untoldError ?? null;
    if (untoldError !== null) this.#ending = { since: null, ...this.#ending, untoldError };
    this.paused();
  }

  /** Our own end was handed to the kernel. */
  finished(): void {
    this.#evidence?.finished();
  }

  closed(): void {
    // The 'close' of an earlier connection of this socket.
    if (this.socket.connecting && !this.#evidence) return;
    const untoldError = this.#ending?.untoldError ?? null;
    this.#end(this.#told ?? this.#diagnoseEnding(engine.now(), untoldError));
  }

  /**
   * Somebody took the handle. `isOurs`: at this moment the descriptor is still the connection's, so
   * the receiver gets it as it was.
   */
  handedOver(isOurs: boolean): void {
    const evidence = this.#evidence;
    if (!evidence) return;
    const around = this.#surroundings(engine.now(), false);
    const diagnosis = diagnosisOf("alive", HANDED_OVER, evidence.judged, around);
    if (isOurs) evidence.restore();
    this.#end(diagnosis);
  }

  get #settings(): WatchSettings {
    return this.#subscriber.settings;
  }

  get #evidence(): Evidence | null {
    const phase = this.#phase;
    return phase.name === "watched" ? phase : phase.name === "dead" ? phase.evidence : null;
  }

  /** The diagnosis that was told last and stays; `null` while anything may still change. */
  get #told(): Diagnosis | null {
    return this.#phase.name === "dead" || this.#phase.name === "ended"
      ? this.#phase.diagnosis
      : null;
  }

  /** Applies the kernel options and takes the first deadline. */
  #begin(): void {
    this.#phase = new Evidence(this.socket, this.#settings, this);
    engine.schedule(this, engine.now() + 1);
  }

  /** The socket has no handle of this connection any more, and nobody said so. */
  #gone(now: Instant): Instant {
    if (!this.socket.destroyed && !this.socket.connecting) this.handedOver(false);
    else if (this.#isOverFor(now, OVER_GRACE_MS)) this.closed();
    return this.#phase.name === "ended" ? Number.POSITIVE_INFINITY : now + OVER_GRACE_MS;
  }

  /**
   * The kernel has ended the connection, and the event loop does not say so. If both sides ended it
   * in order, the program reads what waits to be read, and nothing can happen to it any more.
   */
  #kernelClosed(now: Instant, evidence: Evidence): Instant {
    if (!this.#isOverFor(now, isReading(this.socket) ? OVER_GRACE_READING_MS : OVER_GRACE_MS))
      return now + OVER_GRACE_MS;
    let code = evidence.untoldError;
    if (code === null) return Number.POSITIVE_INFINITY;

    const isReport = this.#settings.onDead === "report";
    if (!isReport) code = evidence.takeError() ?? code;
    const diagnosis = this.#diagnoseEnding(now, code);
    if (diagnosis.state === "dead") this.#die(diagnosis, evidence);
    else if (!isReport)
      this.socket.destroy(
        Object.assign(new Error(`the kernel ended the connection: ${code}`), { code }),
      );
    return Number.POSITIVE_INFINITY;
  }

  #isOverFor(now: Instant, graceMs: number): boolean {
    const since = this.#ending?.since ?? now;
    this.#ending = { untoldError: null, ...this.#ending, since };
    return now - since >= graceMs;
  }

  /** Compares what the proofs say with the state that was told last. */
  #settle(now: Instant, evidence: Evidence): void {
    const state = evidence.stateAt(now, this.#settings.expect);
    const isOverdue = state === "suspect" && evidence.judged.isOverdue;
    if (state === this.state && isOverdue <= this.#isOverdueTold) return;
    if (state === "dead") {
      this.#die(this.#diagnoseAs(state, now), evidence);
      return;
    }
    const event = state === this.state ? "overdue" : state;
    this.#isOverdueTold = event === "overdue";
    this.state = state;
    evidence.silent(state === "suspect");
    this.#tell(event, this.#diagnoseAs(state, now));
  }

  #die(diagnosis: Diagnosis, evidence: Evidence): void {
    evidence.silent(true);
    this.state = "dead";
    this.#phase = { name: "dead", evidence, diagnosis };
    this.#tell("dead", diagnosis);
    if (this.#phase.name !== "dead" || this.socket.destroyed) return;

    const { onDead } = this.#settings;
    if (onDead === "report") {
      if (evidence.isHeld) evidence.restore();
      return;
    }
    if (onDead === "reset") evidence.resetOnClose();
    this.socket.destroy(new DeadPeerError(diagnosis));
  }

  #tell(event: WatchEvent, diagnosis: Diagnosis): void {
    publishState({ event, socket: this.socket, diagnosis });
    this.#subscriber.notify(event, diagnosis, this);
  }

  #diagnoseAs(state: State, now: Instant): Diagnosis {
    const judged: Judged = { ...(this.#evidence?.judged ?? CALM), state };
    return diagnose(judged, this.#surroundings(now, state !== "alive"));
  }

  /** `untoldError`: the kernel's error that the event loop did not tell. */
  #diagnoseEnding(now: Instant, untoldError: string | null): Diagnosis {
    const around = this.#surroundings(now, true);
    const errorCode = errorCodeOf(this.socket) ?? untoldError;
    // Closed without an error: both ends said that they have nothing more to send.
    const hasPeerEnded = hasSeenEnd(this.socket) || around.info?.state === "CLOSE";
    const judged = this.#evidence?.judged ?? CALM;
    return diagnoseEnding({ errorCode, hasPeerEnded }, judged, around);
  }

  #surroundings(now: Instant, looksAtPath: boolean): Surroundings {
    const { label } = this.#settings;
    return (
      this.#evidence?.surroundings(now, label, looksAtPath) ??
      surroundingsOf(endpointsOf(this.socket), label)
    );
  }

  /** The set of watches changed, and with it perhaps what they ask for together. */
  #serve(subscriber: Subscriber): void {
    const phase = this.#phase;
    const isSame = asksTheSame(subscriber.settings, this.#settings);
    if (phase.name === "watched" && !isSame && phase.isHeld) {
      phase.retune(subscriber.settings);
      engine.schedule(this, engine.now() + 1);
    }
    this.#subscriber = subscriber;
  }

  #release(isSocketKept: boolean, diagnosis: Diagnosis | null): void {
    const phase = this.#phase;
    const evidence = this.#evidence;
    this.#phase = { name: "ended", diagnosis };
    engine.cancel(this);
    stopListening(this);
    if (isSocketKept && phase.name === "watched" && phase.isHeld) phase.restore();
    evidence?.end(this.state === "dead");
  }

  /**
   * The last word. If the connection never came about, `connect` itself has told: that is no dead
   * peer.
   */
  #end(diagnosis: Diagnosis): void {
    const isNews = this.#phase.name === "watched" && diagnosis.state === "dead";
    this.#release(false, diagnosis);
    if (diagnosis.state === "dead") this.state = "dead";
    if (isNews) this.#tell("dead", diagnosis);
    this.#tell("close", diagnosis);
  }
}

/** The evidence itself is what a watched connection holds. */
type Phase = typeof PENDING | Evidence | Dead | Ended;

const PENDING = { name: "pending" } as const;

interface Dead {
  readonly name: "dead";
  readonly evidence: Evidence;
  readonly diagnosis: Diagnosis;
}

interface Ended {
  readonly name: "ended";
  readonly diagnosis: Diagnosis | null;
}

interface Ending {
  /** Since when the connection is seen to be over. */
  readonly since: Instant | null;
  /** The kernel's error that came as an orderly end. */
  readonly untoldError: string | null;
}

const HANDED_OVER = {
  cause: "closed-locally",
  certainty: "certain",
  why: ["handed to another process, thread or socket: this one has no descriptor of it any more"],
  unknown: ["how the connection is doing there"],
} as const;

/** Time for the event loop to tell itself of a connection that is over... */
const OVER_GRACE_MS = 20;

/** ...and where it reads, to hand out first what came before. */
const OVER_GRACE_READING_MS = 1000;
