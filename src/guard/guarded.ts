import { Answers, ORDINARY_ANSWERS, ORDINARY_GAP_MS } from "../core/judge/answers.ts";
import type { ConfirmedVerdict } from "../core/judge/confirmed-verdict.ts";
import { heardInGroup, markSilent, type PeerGroup } from "../core/judge/peer-groups.ts";
import { defaultOutageMs } from "../core/judge/probe-plan.ts";
import { heardAgeMs, type Snapshot } from "../core/judge/reading.ts";
import type { TcpInfo, TcpState } from "../core/tcp-info.ts";
import type { Instant } from "../core/time/instant.ts";
import type { WheelEntry } from "../core/time/timer-wheel.ts";
import type { SockDiagId } from "../kernel/netlink/sock-diag-id.ts";
import type { ConnectionOptions } from "../kernel/options/connection-options.ts";
import type { ConnectionRow } from "../survey/connection-row.ts";
import type { SocketOwner } from "../survey/owners.ts";
import type { NamedConnection } from "./event.ts";
import type { GuardedNamespace } from "./guarded-namespaces.ts";
import type { Hold } from "./hold.ts";
import { RoundTrips } from "./round-trips.ts";
import type { GuardRule, Standing } from "./rule.ts";

/**
 * States in which a connection may be ended. Never LISTEN: SOCK_DESTROY would shut the whole server
 * (measured on 6.18).
 */
const ENDABLE: ReadonlySet<TcpState> = new Set([
  "ESTABLISHED",
  "FIN_WAIT1",
  "FIN_WAIT2",
  "CLOSE_WAIT",
]);

/**
 * A healthy connection answers the standing probe within its idle time, the interval and this;
 * longer silence deserves a look.
 */
const SILENCE_SLACK_MS = 500;

/** What a connection is guarded by. */
export interface GuardedBy {
  readonly rule: GuardRule;
  readonly standing: Standing;
  /** `null` for a listener. */
  readonly group: PeerGroup | null;
  readonly namespace: GuardedNamespace;
}

/** One socket that a rule covers. */
export class Guarded implements WheelEntry {
  wheelNext: WheelEntry | null = null;
  wheelPrevious: WheelEntry | null = null;
  wheelSlot = -1;
  wheelTick = 0;
  readonly key: number;
  readonly id: SockDiagId;
  readonly inode: number;
  readonly namespaceIndex: number;
  by: GuardedBy;
  readonly local: string;
  readonly remote: string;
  readonly owner: SocketOwner | null;
  /** Since when it is guarded: silence from before was never questioned, and proves nothing. */
  readonly since: Instant;
  state: TcpState;
  /** The survey that saw it last. */
  round = 0;
  /** Present while the connection is in doubt. */
  verdict: ConfirmedVerdict | null = null;
  /** Since when. */
  doubtedAt: Instant = 0;
  isSilent = false;
  readonly roundTrips: RoundTrips;
  /** How the peer answers probes. */
  answers: Answers;
  /** The reading that {@link answers} learned from last; `null` once they are ordinary. */
  #seen: Pick<Snapshot, "at" | "info"> | null = null;
  info: TcpInfo | null = null;
  heardAt: Instant;
  /** The settings that the guard wants it to have; `null` until they stand. */
  settings: ConnectionOptions | null = null;
  /**
   * How often its settings were reached for in vain because its owner was just then not to be
   * found.
   */
  tries = 0;
  /**
   * For a while it has other settings: after a nudge, under the patience of a hold, where it could
   * not bear all of them.
   */
  isDeviating = false;
  /**
   * What the guard, or the program after it, left there last; `null` before the guard set anything.
   */
  left: ConnectionOptions | null = null;
  /** The brake holds it: nothing is ended, and it is asked seldom. */
  hold: Hold | null = null;
  /**
   * It was held, and has not been heard since: silent until then, whatever a new verdict has had
   * time to find.
   */
  wasHeld = false;
  /** The rules were read again since it was matched. */
  isUnmatched = false;
  /**
   * No rule covers it any more: its program gets back what it had, as soon as the connection bears
   * it.
   */
  isLeaving = false;
  /** The guard's own user timeout is on. */
  hasUserTimeout = false;
  /** What was logged of it already, so that it is not said again at every look. */
  readonly said: Set<string> = new Set();

  constructor(row: ConnectionRow, owner: SocketOwner | null, by: GuardedBy, now: Instant) {
    this.key = row.cookieKey;
    this.id = row.id;
    this.inode = row.inode;
    this.namespaceIndex = row.namespaceIndex;
    this.by = by;
    this.local = row.local;
    this.remote = row.remote;
    this.state = row.state;
    this.owner = owner;
    this.roundTrips = new RoundTrips(row);
    // Surveys see no more than one answer each, two of them a fifth of the smallest budget apart:
    // no hole is longer than an outage that is survived by default.
    const ordinaryMs = Math.max(ORDINARY_GAP_MS, defaultOutageMs(by.rule.detectWithinMs));
    this.answers = new Answers(
      by.group && { group: by.group, remotePort: row.remotePort },
      ordinaryMs,
    );
    this.#learnAnswers(row, now);
    this.since = now;
    this.heardAt = now;
  }

  get isListener(): boolean {
    return this.state === "LISTEN";
  }

  get isEndable(): boolean {
    return ENDABLE.has(this.state);
  }

  get name(): NamedConnection {
    const { local, remote, state, owner } = this;
    return {
      local,
      remote,
      state,
      pid: owner?.pid ?? null,
      process: owner?.process ?? null,
      cgroup: owner?.cgroup ?? null,
      namespace: this.by.namespace.name,
    };
  }

  /**
   * Takes what a survey saw. `true`: something is amiss, and the connection must be looked at
   * closely.
   */
  glance(row: ConnectionRow, now: Instant): boolean {
    const age = row.heardAgeMs;
    if (age === null) return false;
    this.state = row.state;
    this.heardAt = Math.max(this.since, now - age);
    this.#learnAnswers(row, now);
    if (row.probes > 0) return true;
    if (row.unackedSegments > 0) return row.retransmits > 0 || age > SILENCE_SLACK_MS;
    // Unsent data with nothing in flight and no window timer: it does not leave this host.
    if (row.notSentBytes > 0) return row.timer !== "persist";
    // Without the standing keepalive silence is no sign of anything.
    return this.settings !== null && now - this.heardAt > this.#longestSilenceMs;
  }

  /** The same, as far as its verdict asks. */
  get judgedBy(): Answers {
    return this.by.rule.endsUnproven ? ORDINARY_ANSWERS : this.answers;
  }

  /** It is to be learned yet whether each probe is answered. */
  get isLearning(): boolean {
    const { idleMs } = this.by.standing;
    return this.answers.idleMs(idleMs) < idleMs;
  }

  /** Takes an exact reading. */
  learn(info: TcpInfo, now: Instant): void {
    this.info = info;
    this.state = info.state;
    this.heardAt = Math.max(this.since, now - (heardAgeMs(info) ?? 0));
  }

  /** To the others it counts as silent, or no more. */
  markSilent(isSilent: boolean): void {
    const { group } = this.by;
    if (this.isSilent === isSilent || !group) return;
    this.isSilent = isSilent;
    markSilent(group, isSilent);
  }

  /** Its peer was heard since the last survey. */
  noteHeard(row: ConnectionRow): void {
    if (!this.by.group) return;
    heardInGroup(this.by.group, this.heardAt);
    this.roundTrips.teach(this.by.group, row);
  }

  #learnAnswers(row: ConnectionRow, now: Instant): void {
    if (this.answers === ORDINARY_ANSWERS) return;
    const info = row.tcpInfo;
    if (info) {
      if (this.#seen) this.answers.compare(this.#seen, now, info);
      this.#seen = { at: now, info };
    }
    if (!this.answers.areOrdinary) return;
    this.answers = ORDINARY_ANSWERS;
    this.#seen = null;
  }

  get #longestSilenceMs(): number {
    return this.by.standing.idleMs + this.by.standing.intervalMs + SILENCE_SLACK_MS;
  }
}
