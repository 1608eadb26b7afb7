import type { Socket } from "node:net";
import type { Diagnosis, State } from "../core/diagnosis.ts";
import { DeadPeerError, HalfOpenError } from "../core/errors.ts";
import type { Instant } from "../core/time/instant.ts";
import type { WheelEntry } from "../core/time/timer-wheel.ts";
import type { Applied } from "./applied.ts";
import {
  diagnoseEnding,
  diagnoseHandedOver,
  diagnoseNow,
  type Facts,
  factsOfNothing,
} from "./diagnosing.ts";
import { type Checked, engine } from "./engine.ts";
import { Evidence } from "./evidence.ts";
import { withoutSink, withSink } from "./fan-out.ts";
import { endpointsOf, isReading } from "./handle.ts";
import { asksTheSame, type WatchSettings } from "./options.ts";
import type { Sink, WatchEvent } from "./sink.ts";
import { connectionOf, listen, type SocketRecord, stopListening } from "./socket-events.ts";
import { publishState } from "./state-channel.ts";
import { requireTcp } from "./watchable.ts";

/** What is over, the event loop gets this long to say itself... */
const OVER_GRACE_MS = 20;
/** ...and where it reads it has what came before to hand out first. */
const OVER_GRACE_READING_MS = 1000;

/**
 * The one record of a watched connection, until its socket closes. It owns no timer, and no
 * listener that a program could take off.
 */
export class Connection implements Checked, SocketRecord {
  wheelNext: WheelEntry | null = null;
  wheelPrevious: WheelEntry | null = null;
  wheelSlot = -1;
  wheelTick = 0;
  readonly socket: Socket;
  state: State = "alive";
  #sink: Sink;
  /** `null` until the connection exists, and when it is watched no more. */
  #evidence: Evidence | null = null;
  /** Since when it is seen to be over. */
  #overSince: Instant | null = null;
  /** The kernel's error that came as an orderly end. */
  #untoldError: string | null = null;
  #verdict: Diagnosis | null = null;
  #isEnded = false;
  /** It was told that the budget is over. */
  #isOverdue = false;

  /** Joins the socket's record, or makes it. Where it throws, nothing has changed. */
  static watch(socket: Socket, sink: Sink): Connection {
    const known = connectionOf(socket);
    if (!(known instanceof Connection)) return new Connection(socket, sink);
    known.#serve(withSink(known.#sink, sink));
    return known;
  }

  private constructor(socket: Socket, sink: Sink) {
    this.socket = socket;
    this.#sink = sink;
    if (!socket.pending) this.#begin();
    listen(this);
  }

  get #settings(): WatchSettings {
    return this.#sink.settings;
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

  /** The final verdict once there is one, else what can be said now. */
  diagnose(): Diagnosis {
    if (this.#verdict) return this.#verdict;
    const facts = this.#facts(engine.now());
    if (this.#overSince === null) return diagnoseNow(facts);
    return diagnoseEnding(facts, this.socket, this.#evidence?.untoldError ?? null);
  }

  /** One of the watches ends; the last one leaves the socket as it was. */
  leave(sink: Sink): void {
    if (this.#isEnded) return;
    const left = withoutSink(this.#sink, sink);
    try {
      if (left) this.#serve(left);
      else this.#release(true);
    } catch (error) {
      this.#sink = left ?? sink; // a detector of another watch could not be made anew
      this.fail(error);
    }
  }

  check(now: Instant): Instant {
    const evidence = this.#evidence;
    if (!evidence || this.state === "dead") return Number.POSITIVE_INFINITY;
    if (!evidence.isHeld) return this.#gone(now);
    const next = evidence.check(now);
    if (next === null) return this.#kernelClosed(now, evidence);
    this.#settle(now, evidence);
    return this.#isEnded || this.#verdict ? Number.POSITIVE_INFINITY : next;
  }

  /**
   * A check throws again and again, or the connection that came about is none to watch: the socket
   * is left as it was.
   */
  fail(error: unknown): void {
    if (this.#isEnded) return;
    this.#release(true);
    const isOurs = error instanceof HalfOpenError;
    this.#sink.unwatched(
      isOurs
        ? error
        : new HalfOpenError("ERR_NOT_SUPPORTED", `cannot be watched: ${error}`, { cause: error }),
      this,
    );
  }

  /** What the evidence says: there is news. */
  recheck(): void {
    if (!this.#isEnded && this.state !== "dead") engine.schedule(this, engine.now());
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
    if (this.#evidence && this.state !== "dead")
      engine.schedule(this, this.#evidence.nextUnread(engine.now()));
  }

  /** The peer's end was read, or what the event loop takes for it; it reads no more. */
  ended(): void {
    this.#untoldError = this.#evidence?.untoldError ?? null;
    this.paused();
  }

  /** Our own end was handed to the kernel. */
  finished(): void {
    this.#evidence?.finished();
  }

  closed(): void {
    // That of an earlier connection of this socket
    if (this.socket.connecting && !this.#evidence) return;
    this.#end(
      this.#verdict ?? diagnoseEnding(this.#facts(engine.now()), this.socket, this.#untoldError),
    );
  }

  /**
   * Somebody took the handle. `isOurs`: in this moment the descriptor is still the connection's, so
   * the receiver gets it as it was.
   */
  handedOver(isOurs: boolean): void {
    if (!this.#evidence) return;
    const diagnosis = diagnoseHandedOver(this.#facts(engine.now()));
    if (isOurs) this.#evidence.restore();
    this.#end(diagnosis);
  }

  /** Apply the kernel options and take the first deadline. */
  #begin(): void {
    this.#evidence = new Evidence(this.socket, this.#settings, this);
    engine.schedule(this, engine.now() + 1);
  }

  /** The socket has no handle of this connection any more, and nobody said so. */
  #gone(now: Instant): Instant {
    if (!this.socket.destroyed && !this.socket.connecting) this.handedOver(false);
    else if (this.#isOverFor(now, OVER_GRACE_MS)) this.closed();
    return this.#isEnded ? Number.POSITIVE_INFINITY : now + OVER_GRACE_MS;
  }

  /**
   * The kernel has ended the connection, and the event loop does not say so. Where it ended in
   * order from both sides, what waits to be read is the program's, and nothing can happen to it any
   * more.
   */
  #kernelClosed(now: Instant, evidence: Evidence): Instant {
    if (!this.#isOverFor(now, isReading(this.socket) ? OVER_GRACE_READING_MS : OVER_GRACE_MS))
      return now + OVER_GRACE_MS;
    let code = evidence.untoldError;
    if (code === null) return Number.POSITIVE_INFINITY;
    const isReport = this.#settings.onDead === "report";
    if (!isReport) code = evidence.takeError() ?? code;
    const diagnosis = diagnoseEnding(this.#facts(now), this.socket, code);
    if (diagnosis.state === "dead") this.#die(diagnosis);
    else if (!isReport)
      this.socket.destroy(
        Object.assign(new Error(`the kernel ended the connection: ${code}`), { code }),
      );
    return Number.POSITIVE_INFINITY;
  }

  #isOverFor(now: Instant, graceMs: number): boolean {
    this.#overSince ??= now;
    return now - this.#overSince >= graceMs;
  }

  /** Compares what the proofs say with the state that was told last. */
  #settle(now: Instant, evidence: Evidence): void {
    const state = evidence.stateAt(now, this.#settings.expect);
    if (state === this.state) {
      if (state === "suspect" && evidence.isOverdue && !this.#isOverdue) this.#tellOverdue(now);
      return;
    }
    this.#isOverdue = false;
    if (state === "dead") {
      this.#die(diagnoseNow({ ...this.#facts(now), state }));
      return;
    }
    this.state = state;
    evidence.silent(state === "suspect");
    this.#tell(state, diagnoseNow(this.#facts(now)));
  }

  #tellOverdue(now: Instant): void {
    this.#isOverdue = true;
    this.#tell("overdue", diagnoseNow(this.#facts(now)));
  }

  #die(diagnosis: Diagnosis): void {
    this.#evidence?.silent(true);
    this.state = "dead";
    this.#verdict = diagnosis;
    this.#tell("dead", diagnosis);
    if (this.#isEnded || this.socket.destroyed) return;
    if (this.#settings.onDead === "report") {
      if (this.#evidence?.isHeld) this.#evidence.restore();
      return;
    }
    if (this.#settings.onDead === "reset") this.#evidence?.resetOnClose();
    this.socket.destroy(new DeadPeerError(diagnosis));
  }

  #tell(event: WatchEvent, diagnosis: Diagnosis): void {
    publishState({ event, socket: this.socket, diagnosis });
    this.#sink.notify(event, diagnosis, this);
  }

  #facts(now: Instant): Facts {
    const { label } = this.#settings;
    return (
      this.#evidence?.facts(now, this.state, label) ??
      factsOfNothing(endpointsOf(this.socket), now, this.state, label)
    );
  }

  /** The set of watches changed, and with it perhaps what they ask for together. */
  #serve(sink: Sink): void {
    if (
      this.state !== "dead" &&
      !asksTheSame(sink.settings, this.#settings) &&
      this.#evidence?.isHeld
    ) {
      this.#evidence.retune(sink.settings);
      engine.schedule(this, engine.now() + 1);
    }
    this.#sink = sink;
  }

  #release(isSocketKept: boolean): void {
    this.#isEnded = true;
    engine.cancel(this);
    stopListening(this);
    if (isSocketKept && this.state !== "dead" && this.#evidence?.isHeld) this.#evidence.restore();
    this.#evidence?.end(this.state === "dead");
    this.#evidence = null;
  }

  /**
   * The last word. Of a connection that never came about `connect` itself has told: it is no dead
   * peer.
   */
  #end(diagnosis: Diagnosis): void {
    const isNews = this.#evidence !== null && this.state !== "dead" && diagnosis.state === "dead";
    this.#release(false);
    if (diagnosis.state === "dead") this.state = "dead";
    this.#verdict = diagnosis;
    if (isNews) this.#tell("dead", diagnosis);
    this.#tell("close", diagnosis);
  }
}
