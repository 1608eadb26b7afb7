import type { OtherConnections } from "../core/diagnosis.ts";
import type { Instant } from "../core/instant.ts";
import { heardInGroup, markSilent, metInGroup, othersOf, PeerGroups } from "../core/peer-groups.ts";
import { isPastHandshake } from "../core/tcp-info.ts";
import { TimerWheel } from "../core/timer-wheel.ts";
import { ConfirmedVerdict } from "./confirmed-verdict.ts";
import type { ConnectionRow } from "./connection-row.ts";
import type { ConnectionTable } from "./connection-table.ts";
import type { GuardActions } from "./guard-actions.ts";
import { type GuardRule, ruleFor, type Standing, standingFor } from "./guard-rule.ts";
import type { GuardWorld } from "./guard-world.ts";
import { Guarded } from "./guarded.ts";
import type { MassDeathBrake } from "./mass-death-brake.ts";

const TICK_MS = 10;
/** A socket that was missing from more surveys than this is gone: one may be interrupted. */
const MISSED_SURVEYS = 2;
/** A condemned connection that may not be ended now is looked at again after this. */
const HOLD_LOOK_MS = 1000;
const ENOENT = 2;

export interface GuardEngineOptions {
  readonly world: GuardWorld;
  readonly actions: GuardActions;
  readonly brake: MassDeathBrake;
  readonly rules: readonly GuardRule[];
  /** Leaves alone what none of the world's processes holds. Default `false`. */
  readonly onlyOwned?: boolean;
}

/** What a guard has in its care. */
export interface GuardCounts {
  readonly guarded: number;
  readonly inDoubt: number;
  readonly peers: number;
  readonly silentPeers: number;
  readonly isHolding: boolean;
}

/**
 * The guard's mind: which sockets are covered, which are in doubt, when to look, when a peer is dead. Holds no timer and does no
 * I/O: surveys and instants come in, the world is asked through {@link GuardWorld}, and what is to be done goes to {@link GuardActions}.
 */
export class GuardEngine {
  readonly #world: GuardWorld;
  readonly #actions: GuardActions;
  readonly #brake: MassDeathBrake;
  readonly #groups: PeerGroups = new PeerGroups();
  readonly #guarded: Map<number, Guarded> = new Map();
  /** Sockets that no rule covers, by cookie, with the survey that saw them last: the next one does not ask about them again. */
  readonly #ignored: Map<number, number> = new Map();
  readonly #standings: Map<string, Standing> = new Map();
  readonly #wheel: TimerWheel<Guarded>;
  readonly #onlyOwned: boolean;
  #rules: readonly GuardRule[];
  #round = 0;
  #inDoubt = 0;

  constructor(options: GuardEngineOptions, now: Instant) {
    this.#world = options.world;
    this.#actions = options.actions;
    this.#brake = options.brake;
    this.#rules = options.rules;
    this.#onlyOwned = options.onlyOwned ?? false;
    this.#wheel = new TimerWheel(TICK_MS, now);
  }

  get counts(): GuardCounts {
    const { size: peers, silent: silentPeers } = this.#groups;
    return { guarded: this.#guarded.size, inDoubt: this.#inDoubt, peers, silentPeers, isHolding: this.#brake.since !== null };
  }

  /** New rules: the programs get back what they had, and every socket is matched anew at the next survey. */
  reload(rules: readonly GuardRule[]): void {
    this.#rules = rules;
    for (const connection of this.#guarded.values()) {
      this.#actions.release(connection);
      this.#forget(connection);
    }
    this.#ignored.clear();
    this.#standings.clear();
  }

  /** What happened: a survey was taken at `takenAt`. */
  survey(table: ConnectionTable, takenAt: Instant): void {
    this.#round++;
    const news: number[] = [];
    for (const row of table.rows()) if (!this.#meetAgain(row, takenAt)) news.push(row.index);
    if (news.length > 0) this.#world.learnOwners(table);
    for (const index of news) this.#adopt(table.row(index), takenAt);
    for (const [key, round] of this.#ignored) if (round !== this.#round) this.#ignored.delete(key);
    const isGone = ({ round }: Guarded): boolean => this.#round - round > MISSED_SURVEYS;
    for (const connection of this.#guarded.values()) if (isGone(connection)) this.#forget(connection);
    this.#actions.remember((key) => this.#round <= MISSED_SURVEYS || this.#guarded.has(key));
    this.#brakeHolds(takenAt);
  }

  /** Does what is due, and returns the instant of the next deadline. */
  advance(now: Instant): Instant {
    this.#wheel.advance(now, (connection) => this.#check(connection, now));
    return this.#wheel.nextDue();
  }

  /** What happened: this process stood still. */
  stalled(now: Instant, gapMs: number): void {
    for (const { verdict } of this.#guarded.values()) verdict?.stalled(now, gapMs);
  }

  /** Gives programs back what they had; with `keepsSettings` leaves every connection in a state that needs no guard. */
  stop(keepsSettings = false): void {
    for (const connection of this.#guarded.values()) {
      if (keepsSettings) this.#actions.leave(connection);
      else this.#actions.release(connection);
    }
    this.#actions.remember((key) => this.#guarded.has(key));
  }

  /** `false`: the socket is new. */
  #meetAgain(row: ConnectionRow, takenAt: Instant): boolean {
    const key = row.cookieKey;
    const connection = this.#guarded.get(key);
    if (!connection) {
      // Who is not connected yet has no peer to be judged, and a cap on backoff would cut his attempt short.
      if (row.state !== "LISTEN" && !isPastHandshake(row.state)) return true;
      if (!this.#ignored.has(key)) return false;
      this.#ignored.set(key, this.#round);
      return true;
    }
    connection.round = this.#round;
    if (!connection.isListener && !connection.verdict) this.#glance(connection, row, takenAt);
    return true;
  }

  #glance(connection: Guarded, row: ConnectionRow, takenAt: Instant): void {
    const heardBefore = connection.heardAt;
    if (connection.glance(row, takenAt)) {
      this.#doubt(connection, takenAt);
      return;
    }
    if (connection.heardAt > heardBefore) this.#noteHeard(connection, row);
    if (connection.isDeviating) this.#actions.restore(connection);
    if (this.#actions.shouldRetry(connection)) this.#actions.tune(connection, row.heardAgeMs ?? 0);
  }

  #adopt(row: ConnectionRow, now: Instant): void {
    // A connection that waits to be accepted, or that its program has closed, has no owner: it may get one yet.
    if (row.inode === 0) return;
    const owner = this.#world.ownerOf(row.inode);
    // Not forgotten: the next process of the tree may be handed it.
    if (!owner && this.#onlyOwned) return;
    const rule = ruleFor(this.#rules, row, owner?.pid ?? null, owner?.process ?? null);
    if (!rule) {
      this.#ignored.set(row.cookieKey, this.#round);
      return;
    }
    const group = row.state === "LISTEN" ? null : this.#groups.join(row.localAddress, row.remoteAddress);
    const { rttMs } = row.tcpInfo ?? {};
    if (group && rttMs !== undefined) metInGroup(group, rttMs);
    const connection = new Guarded(row, owner, { rule, standing: this.#standingOf(rule, row.namespaceIndex, now), group }, now);
    connection.round = this.#round;
    this.#guarded.set(connection.key, connection);
    this.#actions.tune(connection, row.heardAgeMs ?? 0);
    // What is in trouble already need not wait for the next survey.
    if (!connection.isListener && connection.glance(row, now)) this.#doubt(connection, now);
  }

  #standingOf(rule: GuardRule, namespaceIndex: number, now: Instant): Standing {
    const key = `${rule.detectWithinMs} ${namespaceIndex}`;
    let standing = this.#standings.get(key);
    if (!standing) {
      const retries2 = this.#world.retries2(namespaceIndex);
      const { rtoMaxMs } = standingFor(rule.detectWithinMs, 1000, retries2);
      const { liveness } = new ConfirmedVerdict({ budgetMs: rule.detectWithinMs, rtoMaxMs, peer: null }, now);
      standing = standingFor(rule.detectWithinMs, liveness.idleMs, retries2);
      this.#standings.set(key, standing);
    }
    return standing;
  }

  /** Something is amiss: from now on the connection is looked at on its own, as closely as its budget asks. */
  #doubt(connection: Guarded, takenAt: Instant): void {
    const { group, standing } = connection.by;
    const rtoMaxMs = connection.settings?.rtoMaxMs ?? null;
    connection.verdict = new ConfirmedVerdict(
      { budgetMs: standing.budgetMs, rtoMaxMs, peer: group, repeatedBefore: connection.roundTrips.repeated },
      connection.heardAt,
    );
    this.#inDoubt++;
    this.#wheel.schedule(connection, takenAt);
  }

  #check(connection: Guarded, now: Instant): void {
    const { verdict } = connection;
    if (!verdict) return;
    const info = this.#world.look(connection);
    if (!info) {
      this.#forget(connection);
      return;
    }
    connection.learn(info, now);
    let next = verdict.observe(now, info);
    const { liveness } = verdict;
    this.#actions.guardInFlight(connection, liveness.flow === "in-flight");
    this.#markSilent(connection, liveness.state !== "alive");
    if (isCleared(verdict, info)) {
      this.#acquit(connection);
      return;
    }
    if (liveness.isProbeMissing) this.#actions.tune(connection, now - liveness.heardAt);
    if (verdict.isConfirmed) next = this.#condemn(connection, verdict, now);
    else if (verdict.wantsNudge && this.#actions.nudge(connection)) next = verdict.nudged(now);
    if (connection.verdict) this.#wheel.schedule(connection, Math.max(next, now + TICK_MS));
  }

  /** Both verdicts have fallen. Returns when to look again, should the connection live on. */
  #condemn(connection: Guarded, verdict: ConfirmedVerdict, now: Instant): Instant {
    const others = othersSeenBy(connection, verdict);
    if (this.#brakeHolds(now)) {
      const { size, silent } = this.#groups;
      this.#actions.hold(connection, verdict, now, others, `${silent} of ${size} peers are silent at once`);
      return now + HOLD_LOOK_MS;
    }
    const errno = this.#actions.end(connection, verdict, now, others);
    if (errno === 0 || errno === ENOENT) this.#forget(connection);
    return now + HOLD_LOOK_MS;
  }

  #acquit(connection: Guarded): void {
    const { group } = connection.by;
    if (group) heardInGroup(group, connection.heardAt);
    connection.verdict = null;
    connection.said.delete("hold");
    connection.isHeld = false;
    this.#inDoubt--;
    this.#actions.guardInFlight(connection, false);
    this.#markSilent(connection, false);
    if (connection.isDeviating) this.#actions.restore(connection);
  }

  #forget(connection: Guarded): void {
    this.#guarded.delete(connection.key);
    this.#wheel.cancel(connection);
    if (connection.verdict) this.#inDoubt--;
    connection.verdict = null;
    if (connection.by.group) this.#groups.leave(connection.by.group, connection.isSilent);
  }

  #brakeHolds(now: Instant): boolean {
    return this.#brake.holds(now, { peers: this.#groups.size, silentPeers: this.#groups.silent });
  }

  #markSilent(connection: Guarded, isSilent: boolean): void {
    const { group } = connection.by;
    if (connection.isSilent === isSilent || !group) return;
    connection.isSilent = isSilent;
    markSilent(group, isSilent);
  }

  #noteHeard({ by, heardAt, roundTrips }: Guarded, row: ConnectionRow): void {
    if (!by.group) return;
    heardInGroup(by.group, heardAt);
    roundTrips.teach(by.group, row);
  }
}

/** Nothing is unanswered any more; what is in flight is on its first way. */
function isCleared({ liveness, condemnedAt, wantsNudge }: ConfirmedVerdict, info: { retransmits?: number | undefined }): boolean {
  if (liveness.state !== "alive" || condemnedAt !== null || wantsNudge) return false;
  return liveness.flow === "in-flight" ? (info.retransmits ?? 0) === 0 : liveness.isUnquestioned;
}

function othersSeenBy(connection: Guarded, { liveness }: ConfirmedVerdict): OtherConnections | null {
  return connection.by.group ? othersOf(connection.by.group, connection.isSilent, liveness.attempts.firstAt) : null;
}
