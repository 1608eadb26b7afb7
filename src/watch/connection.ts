import type { Socket } from "node:net";
import type { Diagnosis } from "../core/diagnosis.ts";
import type { Instant } from "../core/time/instant.ts";
import { diagnoseAs, diagnoseEnd, diagnoseHandedOver } from "./connection-diagnosis.ts";
import { ConnectionView } from "./connection-view.ts";
import { GRACE_MS, GRACE_READING_MS } from "./end-facts.ts";
import { type Checked, engine } from "./engine.ts";
import { Evidence } from "./evidence.ts";
import { isReading } from "./handle.ts";
import { asksTheSame } from "./merge-settings.ts";
import { actOnDead, actOnKernelError } from "./on-dead.ts";
import { evidenceIn, lastDiagnosisIn } from "./phase.ts";
import type { EvidenceOwner } from "./process-check.ts";
import { listen, type SocketRecord, stopListening } from "./socket-events.ts";
import { publishState } from "./state-channel.ts";
import {
  type Subscriber,
  type WatchEvent,
  whoWants,
  withoutSubscriber,
  withSubscriber,
} from "./subscribers.ts";
import { canHeartbeatDecide, refusalOf, requireTcp } from "./watchable.ts";

/**
 * The one record of a watched connection, until its socket closes. It owns no timer, and no
 * listener that a program could remove.
 *
 * | phase   | holds                      | the connection             | ends with           |
 * |---------|----------------------------|----------------------------|---------------------|
 * | pending | nothing                    | does not exist yet         | connected, closed   |
 * | watched | the evidence               | is checked                 | a verdict, the end  |
 * | dead    | the evidence, the verdict  | waits for its socket       | the end             |
 * | ended   | the last diagnosis, if any | is over, or left to itself |                     |
 */
export class Connection extends ConnectionView implements Checked, EvidenceOwner, SocketRecord {
  /** The program got `overdue` in this suspicion. */
  #isOverdueTold = false;

  /** If it throws, nothing has changed. */
  constructor(socket: Socket, subscriber: Subscriber) {
    super(socket, subscriber);
    if (!socket.pending) this.#begin();
    listen(this);
  }

  /** Adds a watch. If it throws, nothing has changed. */
  join(subscriber: Subscriber): void {
    this.#serve(withSubscriber(this.subscriber, subscriber));
  }

  /** Ends one of the watches. The last one leaves the socket as it was. */
  leave(subscriber: Subscriber): void {
    if (this.phase.name === "ended") return;
    const left = withoutSubscriber(this.subscriber, subscriber);
    try {
      if (left) this.#serve(left);
      else this.#release(true, null);
    } catch (error) {
      this.subscriber = left ?? subscriber; // a detector of the remaining watches threw
      this.fail(error);
    }
  }

  check(now: Instant): Instant {
    if (this.phase.name !== "watched") return Number.POSITIVE_INFINITY;
    const evidence = this.phase;
    if (!evidence.isHeld) return this.#gone(now);
    const next = evidence.check(now);
    if (next === null) return this.#kernelClosed(now, evidence);

    this.#settle(now, evidence);
    return this.phase === evidence ? next : Number.POSITIVE_INFINITY;
  }

  /**
   * Ends all watches: checks keep throwing, or the socket cannot be watched. Leaves the socket as
   * it was.
   */
  fail(error: unknown): void {
    if (this.phase.name === "ended") return;
    this.#release(true, null);
    this.subscriber.unwatched(refusalOf(error), this);
  }

  /** Checks at once, because a heartbeat was answered or failed. */
  recheck(): void {
    if (this.phase.name === "watched") engine.schedule(this, engine.now());
  }

  /** Begins the watch. Catches errors, because it runs inside the program's `emit`. */
  connected(): void {
    if (evidenceIn(this.phase)) return;
    const wanting = whoWants(this.subscriber, this.socket);
    if (!wanting) {
      this.#release(false, null);
      return;
    }
    try {
      if (!canHeartbeatDecide(wanting.settings)) requireTcp(this.top);
      this.subscriber = wanting;
      this.#begin();
    } catch (error) {
      this.fail(error);
    }
  }

  /** Schedules a check, because the event loop sees no error while it does not read. */
  paused(): void {
    if (this.phase.name !== "watched") return;
    engine.schedule(this, this.phase.nextUnread(engine.now()));
  }

  /** Called when the event loop has read the peer's end, or what it takes for one. */
  ended(): void {
    const untoldError = evidenceIn(this.phase)?.untoldError ?? null;
    if (untoldError !== null) this.endFacts.untoldError = untoldError;
    this.paused();
  }

  closed(): void {
    // The 'close' of an earlier connection of this socket.
    if (this.top.connecting && !evidenceIn(this.phase)) return;
    this.over(engine.now());
  }

  /** Ends the watch of a connection that is over; a verdict given before stays. */
  over(now: Instant): void {
    const last = lastDiagnosisIn(this.phase);
    this.#end(last ?? diagnoseEnd(this.asked, this.endFacts, null, now));
  }

  /**
   * Ends the watch, because somebody took the handle. `isOurs`: the descriptor is still this
   * connection's at this moment, so the receiver gets it with the program's own options.
   */
  handedOver(isOurs: boolean): void {
    const asked = this.asked;
    if (!asked.evidence) return;
    const diagnosis = diagnoseHandedOver(asked, engine.now());
    if (isOurs) asked.evidence.restore();
    this.#end(diagnosis);
  }

  /** Applies the kernel options and takes the first deadline. */
  #begin(): void {
    const evidence = new Evidence(this.subscriber.settings, this);
    this.phase = evidence;
    engine.schedule(this, evidence.firstCheckAt);
  }

  /**
   * Ends the watch of a socket whose handle is gone without an event; 'close' gets time to come.
   */
  #gone(now: Instant): Instant {
    const { destroyed, connecting } = this.top;
    if (!destroyed && !connecting) this.handedOver(false);
    else if (this.endFacts.isDue(now, GRACE_MS)) this.over(now);
    return this.phase.name === "ended" ? Number.POSITIVE_INFINITY : now + GRACE_MS;
  }

  /**
   * Handles a connection that the kernel has ended and the event loop has not reported. Without an
   * error both sides ended it in order: the program reads the rest, and nothing more can happen.
   */
  #kernelClosed(now: Instant, evidence: Evidence): Instant {
    const graceMs = isReading(this.top) ? GRACE_READING_MS : GRACE_MS;
    if (!this.endFacts.isDue(now, graceMs)) return now + GRACE_MS;
    const seen = evidence.untoldError;
    if (seen === null) return Number.POSITIVE_INFINITY;

    const isTaken = this.subscriber.settings.onDead !== "report";
    const code = (isTaken ? evidence.takeError() : null) ?? seen;
    this.noteOwnEnd(evidence);
    const diagnosis = diagnoseEnd(this.asked, this.endFacts, code, now);
    if (diagnosis.state === "dead") this.#die(diagnosis, evidence);
    else actOnKernelError(this.subscriber.settings, this.top, code);
    return Number.POSITIVE_INFINITY;
  }

  /** Publishes the state that the evidence shows, if it is news. */
  #settle(now: Instant, evidence: Evidence): void {
    const state = evidence.stateAt(now, this.subscriber.settings.expect);
    const isOverdue = state === "suspect" && evidence.judged.isOverdue;
    const isNews = state !== this.state || (isOverdue && !this.#isOverdueTold);
    if (!isNews) return;
    if (state === "dead") {
      this.#die(diagnoseAs(state, this.asked, now), evidence);
      return;
    }
    const event = state === this.state ? "overdue" : state;
    this.#isOverdueTold = event === "overdue";
    this.state = state;
    evidence.silent(state === "suspect");
    this.#tell(event, diagnoseAs(state, this.asked, now));
  }

  #die(diagnosis: Diagnosis, evidence: Evidence): void {
    evidence.silent(true);
    this.state = "dead";
    this.phase = { name: "dead", evidence, diagnosis };
    this.#tell("dead", diagnosis);
    const { top } = this;
    const isOpen = this.phase.name === "dead" && !top.destroyed;
    if (isOpen) actOnDead(this.subscriber.settings, top, evidence, diagnosis);
  }

  #tell(event: WatchEvent, diagnosis: Diagnosis): void {
    publishState({ event, socket: this.socket, diagnosis });
    this.subscriber.notify(event, diagnosis, this);
  }

  /** Takes over a changed set of watches, whose merged settings may differ. */
  #serve(subscriber: Subscriber): void {
    const phase = this.phase;
    const isSame = asksTheSame(subscriber.settings, this.subscriber.settings);
    if (phase.name === "watched" && !isSame && phase.isHeld) {
      phase.retune(subscriber.settings);
      engine.schedule(this, engine.now() + 1);
    }
    this.subscriber = subscriber;
  }

  #release(isSocketKept: boolean, diagnosis: Diagnosis | null): void {
    const phase = this.phase;
    const evidence = evidenceIn(this.phase);
    this.phase = { name: "ended", diagnosis };
    engine.cancel(this);
    stopListening(this);
    if (isSocketKept && phase.name === "watched" && phase.isHeld) phase.restore();
    evidence?.end(this.state === "dead");
  }

  /** Publishes the end. One that never came about has failed in `connect`: that is no dead peer. */
  #end(diagnosis: Diagnosis): void {
    const isNews = this.phase.name === "watched" && diagnosis.state === "dead";
    this.#release(false, diagnosis);
    if (diagnosis.state === "dead") this.state = "dead";
    if (isNews) this.#tell("dead", diagnosis);
    this.#tell("close", diagnosis);
  }
}
