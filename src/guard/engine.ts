import type { OtherConnections } from "../core/diagnosis.ts";
import { ConfirmedVerdict } from "../core/judge/confirmed-verdict.ts";
import { heardInGroup, metInGroup, othersOf, PeerGroups } from "../core/judge/peer-groups.ts";
import { isPastHandshake } from "../core/tcp-info.ts";
import type { Instant } from "../core/time/instant.ts";
import { TimerWheel } from "../core/time/timer-wheel.ts";
import type { ConnectionRow } from "../survey/connection-row.ts";
import type { ConnectionTable } from "../survey/connection-table.ts";
import type { GuardActions } from "./actions.ts";
import { Guarded } from "./guarded.ts";
import type { MassDeathBrake } from "./mass-death-brake.ts";
import { type GuardRule, ruleFor } from "./rule.ts";
import { Standings } from "./standings.ts";
import type { GuardWorld } from "./world.ts";

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
 * The guard's mind: which sockets are covered, which are in doubt, when to look, when a peer is
 * dead. Holds no timer and does no I/O: surveys and instants come in, the world is asked through
 * {@link GuardWorld}, and what is to be done goes to {@link GuardActions}.
 */
export class GuardEngine {
  readonly #world: GuardWorld;
  readonly #actions: GuardActions;
  readonly #brake: MassDeathBrake;
  readonly #groups: PeerGroups = new PeerGroups();
  readonly #guarded: Map<number, Guarded> = new Map();
  /** By their port. */
  readonly #listeners: Map<number, Guarded> = new Map();
  /**
   * Sockets that no rule covers, by cookie, with the survey that saw them last: the next one does
   * not ask about them again.
   */
  readonly #ignored: Map<number, number> = new Map();
  readonly #standings: Standings;
  readonly #wheel: TimerWheel<Guarded>;
  readonly #onlyOwned: boolean;
  #rules: readonly GuardRule[];
  #round = 0;
  #inDoubt = 0;

  constructor(options: GuardEngineOptions, now: Instant) {
    this.#world = options.world;
    this.#standings = new Standings((namespaceIndex) => options.world.retries2(namespaceIndex));
    this.#actions = options.actions;
    this.#brake = options.brake;
    this.#rules = options.rules;
    this.#onlyOwned = options.onlyOwned ?? false;
    this.#wheel = new TimerWheel(TICK_MS, now);
  }

  get counts(): GuardCounts {
    const { size: peers, silent: silentPeers } = this.#groups;
    return {
      guarded: this.#guarded.size,
      inDoubt: this.#inDoubt,
      peers,
      silentPeers,
      isHolding: this.#brake.since !== null,
    };
  }

  /**
   * New rules: every socket is matched anew at the next survey, and until then none is ended. What
   * the guard knows and holds it goes on with.
   */
  reload(rules: readonly GuardRule[]): void {
    this.#rules = rules;
    for (const connection of this.#guarded.values()) connection.isUnmatched = true;
    this.#ignored.clear();
  }

  /** What happened: a survey was taken at `takenAt`. */
  survey(table: ConnectionTable, takenAt: Instant): void {
    this.#round++;
    const news: number[] = [];
    for (const row of table.rows()) if (!this.#meetAgain(row, takenAt)) news.push(row.index);
    if (news.length > 0) this.#world.learnOwners(table);
    // Listeners first: what they hand down to those that they accept is known then.
    for (const isListener of [true, false])
      for (const index of news)
        if ((table.row(index).state === "LISTEN") === isListener)
          this.#adopt(table.row(index), takenAt);
    for (const [key, round] of this.#ignored) if (round !== this.#round) this.#ignored.delete(key);
    for (const connection of this.#guarded.values())
      if (this.#round - connection.round > MISSED_SURVEYS) this.#forget(connection);
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

  /**
   * Gives programs back what they had; with `keepsSettings` leaves what needs no guard. `false`:
   * not all bore it; a later try may get the rest.
   */
  stop(keepsSettings = false): boolean {
    let isDone = true;
    for (const connection of this.#guarded.values()) {
      if (keepsSettings) this.#actions.leave(connection);
      else if (!this.#actions.release(connection)) isDone = false;
    }
    this.#actions.remember((key) => this.#guarded.has(key));
    return isDone;
  }

  /** `false`: the socket is new. */
  #meetAgain(row: ConnectionRow, takenAt: Instant): boolean {
    const key = row.cookieKey;
    const connection = this.#guarded.get(key);
    if (!connection) {
      // Who is not connected yet has no peer to be judged, and a cap on backoff would cut his
      // attempt short.
      if (row.state !== "LISTEN" && !isPastHandshake(row.state)) return true;
      if (!this.#ignored.has(key)) return false;
      this.#ignored.set(key, this.#round);
      return true;
    }
    connection.round = this.#round;
    if (connection.isUnmatched) this.#rematch(connection, row, takenAt);
    if (connection.isLeaving) this.#dismiss(connection);
    else if (!connection.isListener && !connection.verdict) this.#glance(connection, row, takenAt);
    return true;
  }

  #rematch(connection: Guarded, row: ConnectionRow, now: Instant): void {
    connection.isUnmatched = false;
    const { by } = connection;
    const rule = ruleFor(this.#rules, row, connection.pid, connection.process);
    connection.isLeaving = rule === null;
    if (rule === null) return;
    connection.by = {
      rule,
      standing: this.#standings.of(rule.detectWithinMs, row.namespaceIndex, now),
      group: by.group,
    };
    this.#actions.retune(connection);
    if (connection.verdict && rule.detectWithinMs !== by.rule.detectWithinMs)
      connection.verdict = this.#newVerdict(connection, connection.heardAt);
  }

  /** No rule covers it any more. */
  #dismiss(connection: Guarded): void {
    this.#clear(connection);
    if (!this.#actions.release(connection)) return;
    this.#forget(connection);
    this.#ignored.set(connection.key, this.#round);
  }

  #glance(connection: Guarded, row: ConnectionRow, takenAt: Instant): void {
    const heardBefore = connection.heardAt;
    if (connection.glance(row, takenAt)) {
      this.#doubt(connection, takenAt);
      return;
    }
    if (connection.heardAt > heardBefore) connection.noteHeard(row);
    this.#actions.settle(connection);
    if (this.#actions.shouldRetry(connection)) this.#actions.tune(connection);
  }

  #adopt(row: ConnectionRow, now: Instant): void {
    // A connection that waits to be accepted, or that its program has closed, has no owner: it may
    // get one yet.
    if (row.inode === 0) return;
    const owner = this.#world.ownerOf(row.inode);
    // Not forgotten: the next process of the tree may be handed it.
    if (!owner && this.#onlyOwned) return;
    const rule = ruleFor(this.#rules, row, owner?.pid ?? null, owner?.process ?? null);
    if (!rule) {
      this.#ignored.set(row.cookieKey, this.#round);
      return;
    }
    const group =
      row.state === "LISTEN" ? null : this.#groups.join(row.localAddress, row.remoteAddress);
    if (group && row.hasInfo) metInGroup(group, row.rttMs);
    const connection = new Guarded(
      row,
      owner,
      { rule, standing: this.#standings.of(rule.detectWithinMs, row.namespaceIndex, now), group },
      now,
    );
    connection.round = this.#round;
    this.#guarded.set(connection.key, connection);
    if (connection.isListener) this.#listeners.set(row.localPort, connection);
    this.#actions.tune(
      connection,
      connection.isListener ? null : (this.#listeners.get(row.localPort) ?? null),
    );
    if (connection.isListener) return;
    // What is in trouble already need not wait for the next survey.
    if (connection.glance(row, now)) this.#doubt(connection, now);
    else this.#actions.settle(connection);
  }

  /**
   * Something is amiss: from now on the connection is looked at on its own, as closely as its
   * budget asks.
   */
  #doubt(connection: Guarded, takenAt: Instant): void {
    connection.verdict = this.#newVerdict(connection, connection.heardAt);
    connection.doubtedAt = takenAt;
    this.#inDoubt++;
    this.#wheel.schedule(connection, takenAt);
  }

  #newVerdict(
    { by, settings, roundTrips, judgedBy: answers }: Guarded,
    since: Instant,
  ): ConfirmedVerdict {
    const standing = { budgetMs: by.standing.budgetMs, rtoMaxMs: settings?.rtoMaxMs ?? null };
    return new ConfirmedVerdict(
      { ...standing, peer: by.group, repeatedBefore: roundTrips.repeated, answers },
      since,
    );
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
    connection.markSilent(liveness.state !== "alive" || connection.wasHeld);
    if (verdict.isCleared(info)) {
      this.#acquit(connection);
      return;
    }
    if (connection.hold) {
      next = this.#brakeHolds(now) ? now + HOLD_LOOK_MS : this.#renew(connection, now);
      if (connection.hold?.asks(now, info)) this.#actions.askHeld(connection);
    } else {
      if (liveness.isProbeMissing) this.#actions.tune(connection);
      if (liveness.isUnproven && liveness.isOverdue && !this.#isHeld(connection, verdict, now))
        this.#actions.spare(connection, verdict, now);
      // Who is not ended whatever is found need not be asked on.
      const isAsked =
        verdict.wantsNudge && !connection.said.has("hold") && !connection.said.has("end");
      if (verdict.isConfirmed) next = this.#condemn(connection, verdict, now);
      else if (isAsked && this.#actions.nudge(connection)) next = verdict.nudged(now);
    }
    if (connection.verdict) this.#wheel.schedule(connection, Math.max(next, now + TICK_MS));
  }

  /**
   * What is known of a connection when the brake lets go is old: held ones are asked seldom, and in
   * flight the kernel sends again the later the longer it waited. Those whose turn has not come
   * would be ended for an outage that is over. So each gets a new verdict, and counts as silent
   * until it is heard.
   */
  #renew(connection: Guarded, now: Instant): Instant {
    this.#actions.resume(connection);
    connection.verdict = this.#newVerdict(connection, now);
    connection.doubtedAt = now;
    return now;
  }

  /** Both verdicts have fallen. Returns when to look again, should the connection live on. */
  #condemn(connection: Guarded, verdict: ConfirmedVerdict, now: Instant): Instant {
    if (connection.isUnmatched) return now + HOLD_LOOK_MS;
    if (this.#isHeld(connection, verdict, now)) return now + HOLD_LOOK_MS;
    if (this.#brake.isTainted(connection.doubtedAt)) return this.#renew(connection, now);
    const errno = this.#actions.end(connection, verdict, now, othersBeside(connection, verdict));
    if (errno === 0 || errno === ENOENT) this.#forget(connection);
    return now + HOLD_LOOK_MS;
  }

  /** Most peers are silent at once: the connection is held, and its kernel patient. */
  #isHeld(connection: Guarded, verdict: ConfirmedVerdict, now: Instant): boolean {
    if (!this.#brakeHolds(now)) return false;
    const { size, silent } = this.#groups;
    const reason = `${silent} of ${size} peers are silent at once`;
    this.#actions.hold(connection, verdict, now, othersBeside(connection, verdict), reason);
    return true;
  }

  #acquit(connection: Guarded): void {
    const { group } = connection.by;
    if (group) heardInGroup(group, connection.heardAt);
    this.#clear(connection);
    this.#actions.guardInFlight(connection, false);
    if (connection.isDeviating) this.#actions.restore(connection);
  }

  /** Nothing is held against the connection any more. */
  #clear(connection: Guarded): void {
    if (connection.verdict) this.#inDoubt--;
    connection.verdict = null;
    for (const topic of ["hold", "unproven"]) connection.said.delete(topic);
    connection.hold = null;
    connection.wasHeld = false;
    this.#wheel.cancel(connection);
    connection.markSilent(false);
  }

  #forget(connection: Guarded): void {
    this.#guarded.delete(connection.key);
    if (this.#listeners.get(connection.id.localPort) === connection)
      this.#listeners.delete(connection.id.localPort);
    this.#wheel.cancel(connection);
    if (connection.verdict) this.#inDoubt--;
    connection.verdict = null;
    if (connection.by.group) this.#groups.leave(connection.by.group, connection.isSilent);
  }

  #brakeHolds(now: Instant): boolean {
    return this.#brake.holds(now, { peers: this.#groups.size, silentPeers: this.#groups.silent });
  }
}

function othersBeside(
  { by, isSilent }: Guarded,
  { liveness }: ConfirmedVerdict,
): OtherConnections | null {
  return by.group && othersOf(by.group, isSilent, liveness.attempts.firstAt);
}
