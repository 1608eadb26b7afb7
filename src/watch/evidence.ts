import { CALM, type Judged, type Surroundings } from "../core/cause/diagnose.ts";
import type { State } from "../core/diagnosis.ts";
import { HalfOpenError } from "../core/errors.ts";
import type { Instant } from "../core/time/instant.ts";
import { resetOnClose } from "../kernel/options/linger.ts";
import { hasSocketError, takeSocketError } from "../kernel/options/socket-error.ts";
import { type Applied, type LowerLevel, MUTE } from "./applied.ts";
import { engine } from "./engine.ts";
import { factsAround, type LookUps } from "./facts-around.ts";
import {
  type Endpoints,
  endpointsOf,
  hasHandle,
  holds,
  isReading,
  openDescriptor,
} from "./handle.ts";
import { hasDataLeft, isAllAcked } from "./host/data-left.ts";
import type { HostCheck } from "./host/host-check.ts";
import { applyLowerLevel, DISPROVED } from "./host/lower-level.ts";
import { checkHost } from "./host/quick-host-check.ts";
import { knownPaths } from "./known-paths.ts";
import { Membership } from "./membership.ts";
import { type EvidenceOwner, ProcessCheck } from "./process-check.ts";
import type { WatchSettings } from "./settings.ts";
import { nextUnreadCheck, untoldError } from "./untold-error.ts";
import { canHeartbeatDecide, whyNotTcp } from "./watchable.ts";

/**
 * The evidence of one connection that exists: of its host, from the kernel or from the lower level
 * where the kernel gives none; of its peer's process, from heartbeats. Holds its membership among
 * the other connections too.
 */
export class Evidence {
  /** The phase of a connection that holds its evidence: see phase.ts. */
  get name(): "watched" {
    return "watched";
  }

  #settings: WatchSettings;
  #kernel: HostCheck | null = null;
  #lower: LowerLevel | null = null;
  #process: ProcessCheck | null;
  readonly #membership: Membership;
  readonly #owner: EvidenceOwner;
  #lostMsSeen = engine.health.lostMs;
  /** Deadline of the host check. */
  #lookAt: Instant = 0;

  /** Applies the kernel options. If it throws, nothing has changed. */
  constructor(settings: WatchSettings, owner: EvidenceOwner) {
    this.#settings = settings;
    this.#owner = owner;
    this.#process = this.#processCheck(settings); // first: a program's own detector may throw
    this.#membership = new Membership(endpointsOf(owner.top));
    try {
      const isAlone = canHeartbeatDecide(settings) && whyNotTcp(owner.top) !== null;
      const fd = isAlone ? -1 : openDescriptor(owner.top);
      if (fd >= 0) this.#watchKernel(fd);
      else this.#lower = applyLowerLevel(owner.top, settings);
    } catch (error) {
      this.#membership.leave(false);
      throw error;
    }
  }

  get applied(): Applied | null {
    const applied = this.#kernel?.applied ?? this.#lower?.applied ?? null;
    const isMute = this.#process?.proof.isMute(engine.now()) ?? false;
    return applied && isMute ? { ...applied, notes: [...applied.notes, MUTE] } : applied;
  }

  get rttMs(): number | null {
    return this.#process?.proof.rttMs ?? this.#kernel?.info?.rttMs ?? null;
  }

  get heardAt(): Instant | null {
    const kernel = this.#kernel?.hasReading ? this.#kernel.heardAt : null;
    return this.#process ? Math.max(kernel ?? 0, this.#process.proof.heardAt) : kernel;
  }

  /** The last judgement of the kernel's evidence; {@link CALM} if there is none. */
  get judged(): Judged {
    return this.#kernel?.judged ?? CALM;
  }

  /** True while the socket holds this connection. After a close its descriptor may be another's. */
  get isHeld(): boolean {
    return this.#kernel ? holds(this.#owner.top, this.#kernel.fd) : hasHandle(this.#owner.top);
  }

  /** Returns the state that the evidence shows. `expect`: whose silence is death. */
  stateAt(now: Instant, expect: WatchSettings["expect"]): State {
    const host = this.#kernel?.judged.state ?? "alive";
    if (host === "dead" || !this.#process?.proof.isSilentTooLong(now)) return host;
    return expect === "host" || this.#process.mayBeAnswered(now, this.#kernel) ? "suspect" : "dead";
  }

  /** When the first check is due. A heartbeat's schedule begins at once. */
  get firstCheckAt(): Instant {
    const soon = engine.now() + 1;
    return this.#process ? soon : (this.#kernel?.firstCheckAt ?? soon);
  }

  /** Checks host and process. Returns the next deadline; `null`: the kernel ended it. */
  check(now: Instant): Instant | null {
    const { lostMs } = engine.health;
    const stalledMs = lostMs - this.#lostMsSeen;
    this.#lostMsSeen = lostMs;
    let next: Instant = Number.POSITIVE_INFINITY;
    const kernel = this.#kernel;
    if (kernel) {
      const isUnread = !isReading(this.#owner.top);
      if (!isUnread || now >= this.#lookAt || !kernel.isCalm || hasSocketError(kernel.fd)) {
        const looked = kernel.check(now, stalledMs);
        if (looked === null) return null;
        if (looked === "disproved") {
          this.#toLowerLevel(DISPROVED);
          return this.check(now);
        }
        this.#membership.heard(kernel.heardAt);
        if (this.#lookAt === 0) knownPaths.met(this.#membership, kernel, now);
        // Whole and finite: other numbers cost heap.
        if (looked !== Number.POSITIVE_INFINITY) this.#lookAt = Math.floor(looked);
      }
      next = isUnread ? Math.min(this.#lookAt, this.nextUnread(now)) : this.#lookAt;
    }
    if (this.#process?.isOver) this.#process = null;
    return this.#process ? Math.min(next, this.#process.check(now, stalledMs, kernel)) : next;
  }

  /** Returns when to check again for an error of a socket that the event loop does not read. */
  nextUnread(now: Instant): Instant {
    if (!this.#kernel) return Number.POSITIVE_INFINITY;
    return nextUnreadCheck(now, this.#settings.detectWithinMs);
  }

  /** See {@link untoldError}. */
  get untoldError(): string | null {
    return this.#kernel && this.isHeld ? untoldError(this.#kernel.fd) : null;
  }

  /** What happened: data came over a stream that is no socket. */
  pushed(now: Instant): void {
    this.#process?.proof.heard(now);
  }

  /** Takes the error from the kernel. The program then sees an orderly end only. */
  takeError(): string | null {
    return this.#kernel && this.isHeld ? takeSocketError(this.#kernel.fd) : null;
  }

  get endpoints(): Endpoints {
    return this.#membership.endpoints;
  }

  /** Returns the facts that a diagnosis needs beside the judgement. */
  surroundings(now: Instant, wanted: LookUps): Partial<Surroundings> {
    const kernel = this.#kernel;
    const gathered = {
      kernel,
      process: this.#process,
      membership: this.#membership,
      heardAt: this.heardAt,
      detectWithinMs: this.#settings.detectWithinMs,
      fd: kernel && this.isHeld ? kernel.fd : -1,
    };
    return factsAround(gathered, wanted, now);
  }

  /** Marks the connection as silent, or as heard again, for the diagnosis of the others. */
  silent(isSilent: boolean): void {
    this.#membership.silent(isSilent);
  }

  /** Makes closing send an RST: the verdict stays true, and no orphan retransmits for minutes. */
  resetOnClose(): void {
    if (this.#kernel && this.isHeld) resetOnClose(this.#kernel.fd);
  }

  /** Returns whether the peer's kernel has all that the program sent. */
  get isAllAcked(): boolean {
    return this.#kernel !== null && this.isHeld && isAllAcked(this.#kernel.fd);
  }

  /** Takes the cap on backoff off: the program ended its side, so the kernel delivers the rest. */
  finished(): void {
    if (this.#kernel && this.isHeld) this.#kernel.uncap();
  }

  /** Restores the options of a socket that closes with data left, for the kernel to deliver. */
  closing(): void {
    if (this.#kernel && this.isHeld && hasDataLeft(this.#kernel.fd)) this.restore();
  }

  /** Goes on with other settings, and keeps what is known. If it throws, nothing has changed. */
  retune(settings: WatchSettings): void {
    const { heartbeat } = settings;
    if (heartbeat && this.#process?.heartbeat === heartbeat) this.#process.restart(settings);
    else this.#process = this.#processCheck(settings);
    this.#settings = settings;
    if (this.#kernel) this.#watchKernel(this.#kernel.fd);
    else this.#toLowerLevel();
  }

  /** Restores the options, as far as the system takes them. The socket must hold its descriptor. */
  restore(): void {
    try {
      const kernel = this.#kernel;
      kernel?.restore(() => holds(this.#owner.top, kernel.fd));
      this.#lower?.restore();
    } catch (error) {
      if (!(error instanceof HalfOpenError)) throw error;
    }
  }

  /** Gives up its places. */
  end(isDead: boolean): void {
    this.#kernel?.end();
    this.#membership.leave(isDead);
  }

  /**
   * Starts or retunes the host check. If a kernel or a sandbox refuses an option, the lower level
   * takes its place.
   */
  #watchKernel(fd: number): void {
    try {
      this.#kernel = checkHost(fd, this.#settings, this.#membership, this.#kernel);
    } catch (error) {
      if (!(error instanceof HalfOpenError)) throw error;
      this.#toLowerLevel(error.message);
    }
  }

  /** Starts the lower level anew, from the program's own options. */
  #toLowerLevel(refusal?: string): void {
    this.restore();
    this.#kernel?.end();
    this.#kernel = null;
    this.#lower = applyLowerLevel(this.#owner.top, this.#settings, refusal);
  }

  #processCheck(settings: WatchSettings): ProcessCheck | null {
    const { heartbeat } = settings;
    return heartbeat && new ProcessCheck(heartbeat, settings, this.#owner);
  }
}
