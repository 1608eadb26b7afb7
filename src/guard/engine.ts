import { metInGroup } from "../core/judge/group-loss.ts";
import { PeerGroups } from "../core/judge/peer-groups.ts";
import { isPastHandshake } from "../core/tcp-info.ts";
import type { Instant } from "../core/time/instant.ts";
import type { ConnectionRow } from "../survey/connection-row.ts";
import type { ConnectionTable } from "../survey/connection-table.ts";
import type { GuardActions } from "./actions.ts";
import { Doubts } from "./doubts.ts";
import { Guarded } from "./guarded.ts";
import type { MassDeathBrake } from "./mass-death-brake.ts";
import { type GuardRule, ruleFor } from "./rule.ts";
import { Standings } from "./standings.ts";
import type { GuardWorld } from "./world.ts";

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
 * Decides which sockets a guard covers, from surveys of them; {@link Doubts} judges those of which
 * a survey shows that something is amiss. Holds no timer and does no I/O: surveys and instants come
 * in, the world is read through {@link GuardWorld}, and what is to be done goes to
 * {@link GuardActions}.
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
  readonly #doubts: Doubts;
  readonly #onlyOwned: boolean;
  #rules: readonly GuardRule[];
  #round = 0;

  constructor(options: GuardEngineOptions, now: Instant) {
    this.#world = options.world;
    this.#standings = new Standings((namespaceIndex) => options.world.retries2(namespaceIndex));
    this.#actions = options.actions;
    this.#brake = options.brake;
    this.#rules = options.rules;
    this.#onlyOwned = options.onlyOwned ?? false;
    this.#doubts = new Doubts(
      {
        world: options.world,
        actions: options.actions,
        brake: options.brake,
        groups: this.#groups,
        forget: (connection) => this.#forget(connection),
      },
      now,
    );
  }

  get counts(): GuardCounts {
    const { size: peers, silent: silentPeers } = this.#groups;
    return {
      guarded: this.#guarded.size,
      inDoubt: this.#doubts.count,
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
    this.#doubts.brakeHolds(takenAt);
  }

  /** Does what is due, and returns the instant of the next deadline. */
  advance(now: Instant): Instant {
    return this.#doubts.advance(now);
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
    if (rule.detectWithinMs !== by.rule.detectWithinMs) this.#doubts.retune(connection);
  }

  /** No rule covers it any more. */
  #dismiss(connection: Guarded): void {
    this.#doubts.close(connection);
    if (!this.#actions.release(connection)) return;
    this.#forget(connection);
    this.#ignored.set(connection.key, this.#round);
  }

  #glance(connection: Guarded, row: ConnectionRow, takenAt: Instant): void {
    const heardBefore = connection.heardAt;
    if (connection.glance(row, takenAt)) {
      this.#doubts.open(connection, takenAt);
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
    if (connection.glance(row, now)) this.#doubts.open(connection, now);
    else this.#actions.settle(connection);
  }

  #forget(connection: Guarded): void {
    this.#guarded.delete(connection.key);
    if (this.#listeners.get(connection.id.localPort) === connection)
      this.#listeners.delete(connection.id.localPort);
    this.#doubts.drop(connection);
    if (connection.by.group) this.#groups.leave(connection.by.group, connection.isSilent);
  }
}

/** A socket that was missing from more surveys than this is gone: one may be interrupted. */
const MISSED_SURVEYS = 2;
