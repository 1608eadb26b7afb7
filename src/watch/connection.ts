import type { Socket } from "node:net";
import type { Diagnosis, State } from "../core/diagnosis.ts";
import { DeadPeerError } from "../core/errors.ts";
import type { Instant } from "../core/instant.ts";
import { heardInGroup, markSilent, type PeerGroup } from "../core/peer-groups.ts";
import type { TcpInfo } from "../core/tcp-info.ts";
import type { WheelEntry } from "../core/timer-wheel.ts";
import type { Applied } from "./applied.ts";
import { diagnoseEnding, diagnoseNow, type Facts } from "./diagnosing.ts";
import { type Checked, engine } from "./engine.ts";
import { withoutSink, withSink } from "./fan-out.ts";
import { groups } from "./groups.ts";
import { type Endpoints, endpointsOf, isReading, openDescriptor } from "./handle.ts";
import { KernelCheck } from "./kernel-check.ts";
import { applyLowerLevel, type LowerLevel } from "./lower-level.ts";
import { asksTheSame, type WatchSettings } from "./options.ts";
import { ProcessCheck } from "./process-check.ts";
import type { Sink, WatchEvent } from "./sink.ts";
import { connectionOf, listen, stopListening } from "./socket-events.ts";
import { publishState } from "./state-channel.ts";

/** A program that stopped reading is not told of a reset by the event loop; such sockets are looked at this often. */
const PAUSED_CHECK_MS = 60;
/** Once the kernel has closed the connection the event loop gets this long to say so itself. */
const KERNEL_CLOSED_GRACE_MS = 20;

/** The one record of a watched connection. Its listeners are shared functions; it owns no timer. */
export class Connection implements Checked {
  wheelNext: WheelEntry | null = null;
  wheelPrevious: WheelEntry | null = null;
  wheelSlot = -1;
  wheelTick = 0;
  readonly socket: Socket;
  state: State = "alive";
  #sink: Sink;
  #kernel: KernelCheck | null = null;
  #core: LowerLevel | null = null;
  #process: ProcessCheck | null = null;
  #group: PeerGroup | null = null;
  #localPort = 0;
  #remotePort = 0;
  #lostMsSeen = 0;
  #kernelClosedAt: Instant | null = null;
  #endedByReset: TcpInfo | null = null;
  #verdict: Diagnosis | null = null;
  #isEnded = false;
  /** It was told that the budget is over. */
  #isOverdue = false;
  /** At the last closer look the program did not read. */
  #isPaused = false;

  /** Joins the socket's record, or makes it. */
  static watch(socket: Socket, sink: Sink): Connection {
    const known = connectionOf(socket);
    if (known && !known.#isEnded) {
      known.#serve(withSink(known.#sink, sink));
      return known;
    }
    return new Connection(socket, sink);
  }

  private constructor(socket: Socket, sink: Sink) {
    this.socket = socket;
    this.#sink = sink;
    listen(this);
    if (!socket.pending) this.begin();
  }

  /** The connection exists now: apply the kernel options and take the first deadline. */
  begin(): void {
    if (this.#isEnded || this.#kernel || this.#core) return;
    const now = engine.now();
    const { heartbeat } = this.#settings;
    const { localAddress = "", localPort = 0, remoteAddress = "", remotePort = 0 } = endpointsOf(this.socket);
    this.#lostMsSeen = engine.health.lostMs;
    this.#group = groups.join(localAddress, remoteAddress);
    this.#localPort = localPort;
    this.#remotePort = remotePort;
    if (heartbeat && this.#process?.heartbeat === heartbeat) this.#process.restart(this.#settings);
    else this.#process = heartbeat ? new ProcessCheck(this.socket, heartbeat, this.#settings, () => this.#recheck()) : null;
    const fd = openDescriptor(this.socket);
    if (fd < 0) this.#core = applyLowerLevel(this.socket, this.#settings.detectWithinMs, heartbeat !== null);
    else this.#kernel = new KernelCheck(fd, this.#settings, this.#group, now);
    engine.schedule(this, now + 1);
  }

  get #settings(): WatchSettings {
    return this.#sink.settings;
  }

  get applied(): Applied | null {
    return this.#kernel?.applied ?? this.#core?.applied ?? null;
  }

  get rttMs(): number | null {
    return this.#process?.proof.rttMs ?? this.#kernel?.info?.rttMs ?? null;
  }

  get silentForMs(): number | null {
    const heardAt = this.#heardAt();
    return heardAt === null ? null : Math.max(0, engine.now() - heardAt);
  }

  /** The final verdict once there is one, else what can be said now. */
  diagnose(): Diagnosis {
    return this.#verdict ?? diagnoseNow(this.#facts(engine.now()));
  }

  /** One of the watches ends; the last one leaves the socket as it was. */
  leave(sink: Sink): void {
    const left = withoutSink(this.#sink, sink);
    if (left) this.#serve(left);
    else if (!this.#isEnded) this.#release(true);
  }

  check(now: Instant): Instant {
    if (this.#isEnded || this.state === "dead") return Number.POSITIVE_INFINITY;
    const kernel = this.#kernel;
    const calm = kernel === null ? null : kernel.look(now);
    if (calm !== null && this.#group) heardInGroup(this.#group, kernel?.heardAt ?? now);
    // What nearly every check of nearly every connection is.
    const stalledMs = this.#stalledMs();
    if (calm !== null && this.state === "alive" && !this.#process && !this.#isPaused) return calm;
    return this.#checkClosely(now, stalledMs, calm);
  }

  #checkClosely(now: Instant, stalledMs: number, calm: Instant | null): Instant {
    const next = this.#kernel ? this.#checkKernel(now, stalledMs, this.#kernel, calm) : Number.POSITIVE_INFINITY;
    const proved =
      this.#process && !this.#isEnded ? this.#process.check(now, stalledMs, this.#kernel?.dataAgeMs) : Number.POSITIVE_INFINITY;
    this.#settle(now);
    if (this.#isEnded || this.#verdict) return Number.POSITIVE_INFINITY;
    const soonest = Math.min(next, proved);
    return this.#isPaused && this.#kernel ? Math.min(soonest, now + PAUSED_CHECK_MS) : soonest;
  }

  closed(): void {
    if (this.#isEnded) return;
    const diagnosis = this.#verdict ?? diagnoseEnding(this.#facts(engine.now()), this.socket, this.#endedByReset);
    // A connection that never came about is no dead peer: connect() said so itself.
    const isNews = (this.#kernel !== null || this.#core !== null) && this.state !== "dead" && diagnosis.state === "dead";
    this.#release(false);
    this.state = diagnosis.state === "dead" ? "dead" : this.state;
    this.#verdict = diagnosis;
    if (isNews) this.#tell("dead", diagnosis);
    this.#tell("close", diagnosis);
  }

  /** libuv tells a reset that came together with data as an orderly end (uv__stream_eof on POLLHUP); the kernel's state tells them apart. */
  ended(): void {
    if (this.#kernel && this.#isOpen(this.#kernel) && !this.socket.writableFinished) this.#endedByReset = this.#kernel.closedState();
  }

  /** All is handed to the kernel, and the socket may close at once: what is still to arrive is the kernel's alone from then on. */
  finished(): void {
    if (this.#kernel && this.#isOpen(this.#kernel)) this.#kernel.uncap();
  }

  /** The program stopped reading: see {@link PAUSED_CHECK_MS}. */
  paused(): void {
    this.#isPaused = true;
    if (this.#kernel && !this.#isEnded && this.state !== "dead") engine.schedule(this, engine.now() + PAUSED_CHECK_MS);
  }

  /** `calm`: what the look said that was taken just now. */
  #checkKernel(now: Instant, stalledMs: number, kernel: KernelCheck, calm: Instant | null): Instant {
    if (calm !== null && !this.#isPaused) return calm;
    this.#isPaused = !isReading(this.socket);
    if (!this.#isOpen(kernel)) return Number.POSITIVE_INFINITY; // closed under us: 'close' follows
    const next = calm ?? kernel.judge(now, stalledMs);
    if (next === null) return this.#kernelClosed(now);
    if (this.#group) heardInGroup(this.#group, kernel.heardAt);
    return next;
  }

  /** Whether the descriptor is still this socket's: after a close its number may be another's. */
  #isOpen(kernel: KernelCheck): boolean {
    return openDescriptor(this.socket) === kernel.fd;
  }

  /** A paused socket is not told by the event loop that the kernel ended the connection. */
  #kernelClosed(now: Instant): Instant {
    this.#kernelClosedAt ??= now;
    if (now - this.#kernelClosedAt < KERNEL_CLOSED_GRACE_MS) return now + KERNEL_CLOSED_GRACE_MS;
    if (!this.#isPaused) return Number.POSITIVE_INFINITY;
    this.#die(diagnoseEnding(this.#facts(now), this.socket, this.#kernel?.info));
    return Number.POSITIVE_INFINITY;
  }

  #recheck(): void {
    if (!this.#isEnded && this.state !== "dead") engine.schedule(this, engine.now());
  }

  /** How long this process stood still since the last check. */
  #stalledMs(): number {
    const { lostMs } = engine.health;
    const stalledMs = lostMs - this.#lostMsSeen;
    this.#lostMsSeen = lostMs;
    return stalledMs;
  }

  #provenState(now: Instant): State {
    const host = this.#kernel?.state ?? "alive";
    if (host === "dead" || !this.#process?.proof.isSilentTooLong(now)) return host;
    return this.#settings.expect === "process" ? "dead" : "suspect";
  }

  /** Compares what the proofs say with the state that was told last. */
  #settle(now: Instant): void {
    if (this.#isEnded || this.#verdict) return;
    const state = this.#provenState(now);
    if (state === this.state) {
      if (state === "suspect" && this.#kernel?.isOverdue && !this.#isOverdue) this.#tellOverdue(now);
      return;
    }
    this.#isOverdue = false;
    if (state === "dead") {
      this.#die(diagnoseNow({ ...this.#facts(now), state }));
      return;
    }
    const wasSilent = this.state === "suspect";
    this.state = state;
    if (this.#group && wasSilent !== (state === "suspect")) markSilent(this.#group, !wasSilent);
    this.#tell(state, diagnoseNow(this.#facts(now)));
  }

  #tellOverdue(now: Instant): void {
    this.#isOverdue = true;
    this.#tell("overdue", diagnoseNow(this.#facts(now)));
  }

  #die(diagnosis: Diagnosis): void {
    if (this.#group && this.state === "alive") markSilent(this.#group, true);
    this.state = "dead";
    this.#verdict = diagnosis;
    this.#tell("dead", diagnosis);
    if (this.#isEnded || this.#settings.onDead === "report" || this.socket.destroyed) return;
    if (this.#settings.onDead === "reset" && this.#kernel && this.#isOpen(this.#kernel)) this.#kernel.resetOnClose();
    this.socket.destroy(new DeadPeerError(diagnosis));
  }

  #tell(event: WatchEvent, diagnosis: Diagnosis): void {
    publishState({ event, socket: this.socket, diagnosis });
    this.#sink.notify(event, diagnosis, this);
  }

  #heardAt(): Instant | null {
    const kernel = this.#kernel?.hasReading ? this.#kernel.heardAt : null;
    return this.#process ? Math.max(kernel ?? 0, this.#process.proof.heardAt) : kernel;
  }

  #facts(now: Instant): Facts {
    const heardAt = this.#heardAt();
    const isHostSilent = (this.#kernel?.state ?? "alive") !== "alive"; // then that is the cause
    return {
      endpoints: this.#endpoints(),
      now,
      state: this.state,
      label: this.#settings.label,
      info: this.#kernel?.info ?? null,
      liveness: this.#kernel?.liveness ?? null,
      loss: this.#kernel?.loss ?? null,
      heardAt,
      processSilentForMs: isHostSilent || !this.#process?.proof.isSilentTooLong(now) ? null : this.#process.proof.silentForMs(now),
      heartbeatFailure: this.#process?.proof.lastFailure ?? null,
      pausedForMs: heardAt === null ? null : engine.health.pausedSinceMs(heardAt, now - this.#settings.detectWithinMs),
      others: this.#group,
      hasRtoCap: this.#kernel?.hasRtoCap ?? false,
      isQuestioned: this.#kernel !== null,
    };
  }

  /** Known once connected, and still after the socket has closed. */
  #endpoints(): Endpoints {
    if (!this.#group) return endpointsOf(this.socket);
    const { remoteAddress, route } = this.#group;
    return { localAddress: route.localAddress || undefined, localPort: this.#localPort, remoteAddress, remotePort: this.#remotePort };
  }

  /** The set of watches changed: if what they ask for together changed too, start anew from the kernel's present evidence. */
  #serve(sink: Sink): void {
    const isSame = asksTheSame(sink.settings, this.#settings);
    this.#sink = sink;
    if (isSame || this.state === "dead" || (!this.#kernel && !this.#core)) return;
    this.#undo();
    this.begin();
  }

  #undo(): void {
    engine.cancel(this);
    if (this.#kernel && this.#isOpen(this.#kernel)) this.#kernel.restore();
    this.#kernel?.end();
    if (this.#core && !this.socket.destroyed) this.#core.restore();
    if (this.#group) groups.leave(this.#group, this.state !== "alive");
    this.#group = null;
    this.#kernel = null;
    this.#core = null;
  }

  #release(isSocketKept: boolean): void {
    this.#isEnded = true;
    stopListening(this);
    if (isSocketKept) this.#undo();
    else {
      engine.cancel(this);
      this.#kernel?.end();
      if (this.#group) groups.leave(this.#group, this.state !== "alive", this.state === "dead");
      this.#group = null;
    }
  }
}
