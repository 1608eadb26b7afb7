import type { Socket } from "node:net";
import type { Diagnosis, State } from "../core/diagnosis.ts";
import type { WheelEntry } from "../core/time/timer-wheel.ts";
import type { Applied } from "./applied.ts";
import { type Asked, diagnoseAs, diagnoseEnd } from "./connection-diagnosis.ts";
import { EndFacts } from "./end-facts.ts";
import { engine } from "./engine.ts";
import type { Evidence } from "./evidence.ts";
import { evidenceIn, lastDiagnosisIn, PENDING, type Phase } from "./phase.ts";
import { uppermost } from "./socket-events.ts";
import type { Subscriber, WatchedConnection } from "./subscribers.ts";

/**
 * The properties of a watched connection that can be read at any time, and the events that its
 * evidence alone takes.
 */
export abstract class ConnectionView implements WatchedConnection, WheelEntry {
  wheelNext: WheelEntry | null = null;
  wheelPrevious: WheelEntry | null = null;
  wheelSlot = -1;
  wheelTick = 0;
  /** The socket as it was when its watch began; see {@link ConnectionView.top}. */
  readonly socket: Socket;
  state: State = "alive";
  protected subscriber: Subscriber;
  protected phase: Phase = PENDING;
  #endFacts: EndFacts | null = null;

  constructor(socket: Socket, subscriber: Subscriber) {
    this.socket = socket;
    this.subscriber = subscriber;
  }

  /** The socket that the program uses: a TLSSocket may have been put over the first one. */
  get top(): Socket {
    return uppermost(this.socket);
  }

  /** The socket has begun another connection, and the 'close' of this one is still to come. */
  get isOutlived(): boolean {
    return this.top.connecting && evidenceIn(this.phase) !== null;
  }

  get applied(): Applied | null {
    return evidenceIn(this.phase)?.applied ?? null;
  }

  get rttMs(): number | null {
    return evidenceIn(this.phase)?.rttMs ?? null;
  }

  get silentForMs(): number | null {
    const heardAt = evidenceIn(this.phase)?.heardAt ?? null;
    return heardAt === null ? null : Math.max(0, engine.now() - heardAt);
  }

  /** Returns the final diagnosis once there is one, else the diagnosis of this moment. */
  diagnose(): Diagnosis {
    const last = lastDiagnosisIn(this.phase);
    if (last) return last;
    const { asked } = this;
    const now = engine.now();
    if (!this.#endFacts?.isSeen) return diagnoseAs(this.state, asked, now, true);
    if (asked.evidence) this.noteOwnEnd(asked.evidence);
    return diagnoseEnd(asked, this.endFacts, asked.evidence?.untoldError ?? null, now);
  }

  /** Called when data came over a stream that is no socket: those do not count their bytes. */
  pushed(): void {
    evidenceIn(this.phase)?.pushed(engine.now());
  }

  /** Called when the program's own end was handed to the kernel. */
  finished(): void {
    this.endFacts.finished(this.top);
    evidenceIn(this.phase)?.finished();
  }

  /** Called when the program or an error closes the socket, before it does. */
  closing(hasFailed: boolean): void {
    if (this.phase.name !== "watched") return;
    if (hasFailed || this.#endFacts?.untoldError) this.noteOwnEnd(this.phase);
    this.phase.closing();
  }

  /** Notes whether an error of the kernel costs the program anything. */
  protected noteOwnEnd(evidence: Evidence): void {
    const { heartbeat } = this.subscriber.settings;
    const isOver = heartbeat?.hasEnded?.() === true || this.endFacts.isOver(this.top);
    this.endFacts.isAfterOwnEnd = isOver && evidence.isAllAcked;
  }

  protected get asked(): Asked {
    const { label } = this.subscriber.settings;
    return { socket: this.top, evidence: evidenceIn(this.phase), label };
  }

  /** Made on first use: the event loop itself reports the end of most connections. */
  protected get endFacts(): EndFacts {
    this.#endFacts ??= new EndFacts();
    return this.#endFacts;
  }
}
