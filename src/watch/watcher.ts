import { EventEmitter } from "node:events";
import type { Duplex } from "node:stream";
import { DetectorQos, type DetectorQosReport } from "../core/detectors/detector-qos.ts";
import type { Diagnosis, State } from "../core/diagnosis.ts";
import { DeadPeerError, HalfOpenError } from "../core/errors.ts";
import type { Applied } from "./applied.ts";
import { DiagnosisReader } from "./diagnosis-reader.ts";
import { engine } from "./engine.ts";
import { join } from "./join.ts";
import type { WatchSettings } from "./settings.ts";
import { labelled, type Subscriber, type WatchEvent, type WatchRecord } from "./subscribers.ts";
import { surface } from "./surface.ts";
import { watchableSocket } from "./watchable.ts";

export interface WatcherEvents {
  /** An attempt to reach the peer stayed unanswered. Not a verdict. */
  suspect: [diagnosis: Diagnosis];
  /**
   * The budget is over, and death is not proven yet at the accepted rate of false alarms: see
   * {@link WatchOptions.atDeadline}. Not a verdict.
   */
  overdue: [diagnosis: Diagnosis];
  /** An answer refuted the suspicion. */
  alive: [diagnosis: Diagnosis];
  /** The verdict, at most once. */
  dead: [diagnosis: Diagnosis];
  /**
   * The socket closed, for whatever reason, or was handed to another process; the last event. Not
   * emitted after {@link Watcher.close}.
   */
  close: [diagnosis: Diagnosis];
  /**
   * Comes last, in place of `close`: the new connection cannot be watched (a Unix-domain socket),
   * or not any longer (the kernel refuses what it allowed before). The socket is left as it is.
   */
  unwatched: [error: HalfOpenError];
}

/** Parts that most watches never need. */
interface Extras {
  abort: AbortController | null;
  readers: Set<DiagnosisReader> | null;
  /** Made by the first suspicion. */
  quality: DetectorQos | null;
  /** Removes the listener from the signal that ends the watch. */
  unsubscribe: (() => void) | null;
}

/**
 * The watch of one connection. Errors thrown by listeners surface as uncaught exceptions, after
 * halfopen finished its own work.
 */
export class Watcher
  extends EventEmitter<WatcherEvents>
  implements Subscriber, Disposable, AsyncIterable<Diagnosis>
{
  readonly settings: WatchSettings;
  readonly #connection: WatchRecord;
  readonly #startedAt: number = wholeNow();
  #extras: Extras | null = null;
  #isClosed = false;
  /** The reason of the end; see {@link Watcher.signal}. */
  #endedBy: Error | null = null;

  constructor(socket: Duplex, settings: WatchSettings, signal?: AbortSignal) {
    super();
    holdListenersLightly(this);
    this.settings = settings;
    this.#connection = join(watchableSocket(socket, settings), this);
    if (signal?.aborted) this.close();
    else if (signal) this.#endWith(signal);
  }

  get state(): State {
    return this.#connection.state;
  }

  /** The diagnosis of this moment, or the final one once the peer is dead or the socket closed. */
  get diagnosis(): Diagnosis {
    return labelled(this.#connection.diagnose(), this.settings);
  }

  /** The options that the kernel really took; `null` until the socket is connected. */
  get applied(): Applied | null {
    return this.#connection.applied;
  }

  /**
   * Round-trip time in ms: that of the last heartbeat, else the kernel's smoothed one; `null` if
   * not known.
   */
  get rttMs(): number | null {
    return this.#connection.rttMs;
  }

  /** Milliseconds since the last evidence from the peer; `null` if not known. */
  get silentForMs(): number | null {
    return this.#connection.silentForMs;
  }

  /**
   * The quality of the watch so far, in Chen's measures: how often suspicions were refuted
   * (mistakes) and how long they lasted, and how long after the last evidence the standing
   * suspicion began.
   */
  get quality(): DetectorQosReport {
    return (this.#extras?.quality ?? new DetectorQos(this.#startedAt)).report(engine.now());
  }

  /**
   * Aborts when the peer is found dead or the watch ends. The reason is an Error: a `DeadPeerError`
   * when the peer is found dead, an `ERR_NOT_CONNECTED` when the socket closed otherwise, an
   * `AbortError` when {@link Watcher.close} ended the watch. A signal first read later has the same
   * reason.
   */
  get signal(): AbortSignal {
    const extras = this.#some();
    extras.abort ??= new AbortController();
    if (this.#endedBy) extras.abort.abort(this.#endedBy);
    return extras.abort.signal;
  }

  /** Ends the watch and leaves the socket as it was. Safe to call twice. */
  close(): void {
    if (this.#isClosed) return;
    this.#finish();
    this.#connection.leave(this);
    this.#end(new DOMException("the watch of this connection was closed", "AbortError"));
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /**
   * Yields the diagnosis of every change of state, including a verdict given before the iteration
   * began. Ends with the socket or the watch.
   */
  async *[Symbol.asyncIterator](): AsyncIterator<Diagnosis> {
    const reader = new DiagnosisReader(this.state === "dead" ? this.diagnosis : null);
    if (this.#isClosed) reader.end();
    const extras = this.#some();
    extras.readers ??= new Set();
    extras.readers.add(reader);
    try {
      yield* reader;
    } finally {
      extras.readers.delete(reader);
    }
  }

  /** @internal Called by the connection. */
  notify(event: WatchEvent, diagnosis: Diagnosis): void {
    if (this.#isClosed) return;
    const told = labelled(diagnosis, this.settings);
    this.#count(event, told);
    if (event === "dead") this.#abort(new DeadPeerError(told, { as: this.settings.errorAs }));
    if (event === "close") this.#finish();
    else for (const reader of this.#extras?.readers ?? []) reader.push(told);
    this.#emit(event, told);
    if (event === "close") this.#end(closedError(told));
  }

  /** @internal Called by the connection. */
  unwatched(error: HalfOpenError): void {
    if (this.#isClosed) return;
    this.#finish();
    this.#emit("unwatched", error);
    this.#end(error);
  }

  #emit<Event extends keyof WatcherEvents>(event: Event, ...args: WatcherEvents[Event]): void {
    try {
      (this as EventEmitter).emit(event, ...args);
    } catch (error) {
      surface(error);
    }
  }

  #count(event: WatchEvent, { silentForMs }: Diagnosis): void {
    const now = wholeNow();
    if (event === "alive") this.#extras?.quality?.trusted(now);
    if (event !== "suspect" && event !== "dead") return;
    const extras = this.#some();
    extras.quality ??= new DetectorQos(this.#startedAt);
    extras.quality.suspected(now, now - Math.round(silentForMs ?? 0));
  }

  #some(): Extras {
    this.#extras ??= { abort: null, readers: null, quality: null, unsubscribe: null };
    return this.#extras;
  }

  #endWith(signal: AbortSignal): void {
    const onAbort = (): void => this.close();
    signal.addEventListener("abort", onAbort, { once: true });
    this.#some().unsubscribe = () => signal.removeEventListener("abort", onAbort);
  }

  /** The first reason stays. */
  #abort(reason: Error): void {
    this.#endedBy ??= reason;
    this.#extras?.abort?.abort(this.#endedBy);
  }

  #end(reason: Error): void {
    this.#abort(reason);
    for (const reader of this.#extras?.readers ?? []) reader.end();
  }

  #finish(): void {
    this.#isClosed = true;
    this.#extras?.unsubscribe?.();
  }
}

/**
 * Constructs the object that holds the listeners by event. It takes a fifth of the memory of the
 * dictionary that EventEmitter makes itself (lib/events.js, `init`). Like Node's own it inherits
 * nothing: an event named `toString` finds no listener.
 */
function Listeners(): void {}
Listeners.prototype = Object.create(null);

function holdListenersLightly(emitter: EventEmitter): void {
  (emitter as { _events?: object })._events = Reflect.construct(Listeners, []) as object;
}

/** Whole numbers cost no heap. */
function wholeNow(): number {
  return Math.floor(engine.now());
}

function closedError({ remote, cause, why }: Diagnosis): HalfOpenError {
  return new HalfOpenError(
    "ERR_NOT_CONNECTED",
    `the connection to ${remote ?? "(unknown)"} is over: ${[cause, ...why].join("; ")}`,
  );
}
