import { metInGroup } from "../core/judge/group-loss.ts";
import { isPastHandshake } from "../core/tcp-info.ts";
import type { Instant } from "../core/time/instant.ts";
import type { SockDiagId } from "../kernel/netlink/sock-diag-id.ts";
import type { ConnectionRow } from "../survey/connection-row.ts";
import type { ConnectionTable } from "../survey/connection-table.ts";
import type { SocketOwner } from "../survey/owners.ts";
import type { GuardActions } from "./actions.ts";
import { Doubts } from "./doubts.ts";
import { Guarded } from "./guarded.ts";
import { GuardedNamespaces } from "./guarded-namespaces.ts";
import type { BrakeSettings } from "./mass-death-brake.ts";
import type { GuardCounts } from "./metrics.ts";
import { type GuardRule, isSameBudget, ruleFor } from "./rule.ts";
import type { GuardWorld, Surveyed } from "./world.ts";

export interface GuardEngineOptions {
  readonly world: GuardWorld;
  readonly actions: GuardActions;
  readonly brake: BrakeSettings;
  readonly rules: readonly GuardRule[];
  /** Leaves alone what none of the world's processes holds. Default `false`. */
  readonly onlyOwned?: boolean;
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
  readonly #namespaces: GuardedNamespaces;
  readonly #guarded: Map<number, Guarded> = new Map();
  /** By their namespace and port. */
  readonly #listeners: Map<number, Guarded> = new Map();
  readonly #doubts: Doubts;
  readonly #onlyOwned: boolean;
  #rules: readonly GuardRule[];
  #round = 0;

  constructor(options: GuardEngineOptions, now: Instant) {
    this.#world = options.world;
    this.#namespaces = new GuardedNamespaces(options.world, options.brake);
    this.#actions = options.actions;
    this.#rules = options.rules;
    this.#onlyOwned = options.onlyOwned ?? false;
    this.#doubts = new Doubts(
      {
        world: options.world,
        actions: options.actions,
        namespaces: this.#namespaces,
        forget: (connection) => this.#forget(connection),
      },
      now,
    );
  }

  get counts(): GuardCounts {
    const { size: guarded } = this.#guarded;
    return { guarded, inDoubt: this.#doubts.count, ...this.#namespaces.counts };
  }

  /**
   * New rules: every socket is matched anew at the next survey, and until then none is ended. What
   * the guard knows and holds it goes on with.
   */
  reload(rules: readonly GuardRule[]): void {
    this.#rules = rules;
    for (const connection of this.#guarded.values()) connection.isUnmatched = true;
    for (const { ignored } of this.#namespaces.all) ignored.clear();
  }

  /** What happened: a survey was taken, beginning at `takenAt`. */
  survey(table: ConnectionTable, takenAt: Instant, surveyed: Partial<Surveyed> = {}): void {
    const { isThere = yes, isListed = yes, readAt = () => takenAt } = surveyed;
    this.#round++;
    const news: number[] = [];
    for (const row of table.rows())
      if (!this.#meetAgain(row, readAt(row.namespaceIndex))) news.push(row.index);
    if (news.length > 0) this.#world.learnOwners(table);
    // Listeners first: what they hand down to those that they accept is known then.
    for (const isListener of [true, false])
      for (const index of news)
        if ((table.row(index).state === "LISTEN") === isListener)
          this.#adopt(table.row(index), readAt(table.row(index).namespaceIndex));
    for (const { index, ignored } of this.#namespaces.all)
      if (isListed(index))
        for (const [key, round] of ignored) if (round !== this.#round) ignored.delete(key);
    for (const connection of this.#guarded.values())
      if (this.#round - connection.round > MISSED_SURVEYS || !isThere(connection.namespaceIndex))
        this.#forget(connection);
    this.#namespaces.keepOnly(isThere);
    this.#actions.remember((key) => this.#round <= MISSED_SURVEYS || this.#guarded.has(key));
    this.#namespaces.watch(takenAt);
  }

  /** Returns the connections that are guarded, by the index of their namespace. */
  inCare(): Map<number, SockDiagId[]> {
    const found = new Map<number, SockDiagId[]>();
    for (const { namespaceIndex, id, isListener } of this.#guarded.values()) {
      if (isListener) continue;
      const ids = found.get(namespaceIndex);
      if (ids) ids.push(id);
      else found.set(namespaceIndex, [id]);
    }
    return found;
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
      const { ignored } = this.#namespaces.of(row.namespaceIndex);
      if (!ignored.has(key)) return false;
      ignored.set(key, this.#round);
      return true;
    }
    if (connection.namespaceIndex !== row.namespaceIndex) {
      // Its namespace was out of sight, and is known under another index now.
      this.#forget(connection);
      return false;
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
    const rule = this.#ruleFor(row, connection.owner);
    connection.isLeaving = rule === null;
    if (rule === null) return;
    const standing = by.namespace.standings.of(rule, now);
    connection.by = { rule, standing, group: by.group, namespace: by.namespace };
    this.#actions.retune(connection);
    if (!isSameBudget(rule, by.rule)) this.#doubts.retune(connection);
  }

  /** No rule covers it any more. */
  #dismiss(connection: Guarded): void {
    this.#doubts.close(connection);
    if (!this.#actions.release(connection)) return;
    this.#forget(connection);
    connection.by.namespace.ignored.set(connection.key, this.#round);
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
    const rule = this.#ruleFor(row, owner);
    const namespace = this.#namespaces.of(row.namespaceIndex);
    if (!rule) {
      namespace.ignored.set(row.cookieKey, this.#round);
      return;
    }
    const { groups, standings } = namespace;
    const group = row.state === "LISTEN" ? null : groups.join(row.localAddress, row.remoteAddress);
    if (group && row.hasInfo) metInGroup(group, row.rttMs);
    const standing = standings.of(rule, now);
    const connection = new Guarded(row, owner, { rule, standing, group, namespace }, now);
    connection.round = this.#round;
    this.#guarded.set(connection.key, connection);
    const place = listenerKey(connection);
    if (connection.isListener) this.#listeners.set(place, connection);
    this.#actions.tune(
      connection,
      connection.isListener ? null : (this.#listeners.get(place) ?? null),
    );
    if (connection.isListener) return;
    // What is in trouble already need not wait for the next survey.
    if (connection.glance(row, now)) this.#doubts.open(connection, now);
    else this.#actions.settle(connection);
  }

  #forget(connection: Guarded): void {
    this.#guarded.delete(connection.key);
    const place = listenerKey(connection);
    if (this.#listeners.get(place) === connection) this.#listeners.delete(place);
    this.#doubts.drop(connection);
    const { group, namespace } = connection.by;
    if (group) namespace.groups.leave(group, connection.isSilent);
  }

  #ruleFor(row: ConnectionRow, owner: SocketOwner | null): GuardRule | null {
    return ruleFor(this.#rules, row, owner, this.#world.namespaceOf(row.namespaceIndex));
  }
}

const yes = (): boolean => true;

/** Each namespace has its own 2^16 ports. */
function listenerKey({ namespaceIndex, id }: Guarded): number {
  return namespaceIndex * 2 ** 16 + id.localPort;
}

/** A socket that was missing from more surveys than this is gone: one may be interrupted. */
const MISSED_SURVEYS = 2;
