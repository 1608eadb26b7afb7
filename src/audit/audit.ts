import { insideNamespace, type NetworkNamespace } from "../kernel/netlink/network-namespace.ts";
import type { OptionsWanted } from "../kernel/options/connection-options.ts";
import type { SystemPort } from "../kernel/port/port.ts";
import { readSystemDefaults, type SystemDefaults } from "../kernel/system/system-defaults.ts";
import {
  type ConnectionFilter,
  kernelConditions,
  matchesOwner,
  matchesRow,
  needsOwner,
} from "../survey/connection-filter.ts";
import { ConnectionRow } from "../survey/connection-row.ts";
import type { ConnectionTable } from "../survey/connection-table.ts";
import { HANGING_STATES, takeSurvey } from "../survey/survey.ts";
import type {
  AuditedConnection,
  AuditSummary,
  BriefDiagnosis,
  ConnectionOutline,
} from "./audited-connection.ts";
import { dangerOf } from "./danger.ts";
import { DangerOrder } from "./danger-order.ts";
import type { SettingsSource } from "./effective-options.ts";
import type { NudgeTarget } from "./nudge-round.ts";
import { findOwners } from "./owners/owner-search.ts";
import type { OwnerTable } from "./owners/owner-table.ts";
import { type JudgeOptions, RowJudge, type Surroundings } from "./row-judge.ts";

/**
 * Lists every TCP connection of the machine with its owner, its settings, the time it would take to
 * notice a dead peer, and its state now. Sends nothing and changes nothing.
 *
 * @throws HalfOpenError `ERR_NOT_SUPPORTED`, `ERR_PERMISSION` when not even our own namespace can
 * be seen
 */
export function takeAudit(port: SystemPort, options: AuditOptions): Audit {
  const { filter, allNamespaces, wanted = "all" } = options;
  const survey = takeSurvey(port, {
    states: filter.states.length > 0 ? filter.states : HANGING_STATES,
    withInfo: true,
    filter: kernelConditions(filter),
    allNamespaces,
  });

  const pids = filter.pids.length > 0 ? filter.pids : undefined;
  const { owners, hidden } = findOwners(port, survey.table, wanted, pids);
  const hiddenNote = `${hidden} processes of other users are hidden: their connections have no owner here; run as root to see them`;

  const { namespaces } = survey;
  const defaults = namespaces.map((namespace) => defaultsInside(port, namespace));
  const problems = hidden > 0 ? [...survey.problems, hiddenNote] : survey.problems;
  return new Audit(survey.table, { owners, namespaces, defaults }, problems, options);
}

export interface AuditOptions extends JudgeOptions {
  readonly filter: ConnectionFilter;
  readonly allNamespaces: boolean;
  /** The part of each connection's settings that is read; default: all. */
  readonly wanted?: OptionsWanted;
}

/** A finished audit. Its rows stay bytes until a caller reads them as objects. */
export class Audit {
  readonly problems: readonly string[];
  readonly summary: AuditSummary;
  readonly #table: ConnectionTable;
  readonly #owners: OwnerTable;
  readonly #filter: ConnectionFilter;
  readonly #judge: RowJudge;
  readonly #order: Uint32Array;

  /** `problems`: sentences about parts of the machine that could not be seen. */
  constructor(
    table: ConnectionTable,
    surroundings: Surroundings,
    problems: readonly string[],
    options: AuditOptions,
  ) {
    this.#table = table;
    this.#owners = surroundings.owners;
    this.#filter = options.filter;
    this.#judge = new RowJudge(surroundings, options, table.size);
    this.problems = problems;

    const tally: Tally = {
      connections: 0,
      neverNotice: 0,
      dead: 0,
      suspect: 0,
      neverClosed: 0,
      assumed: 0,
    };
    this.#order = this.#rank(tally);
    this.summary = tally;
  }

  /** Yields the connections, the most dangerous first. */
  *connections(): Generator<AuditedConnection> {
    const row = new ConnectionRow();
    for (const index of this.#order) yield this.#describe(this.#table.row(index, row));
  }

  /** Yields the same connections in outline, for a table, at a fifth of the cost. */
  *outlines(): Generator<ConnectionOutline> {
    const row = new ConnectionRow();
    for (const index of this.#order) {
      this.#table.row(index, row);
      const effective = this.#judge.effective(row);
      yield this.#outline(row, effective.source, this.#judge.brief(row, effective));
    }
  }

  /** Yields the connections that can be nudged: we may reach the process that holds them. */
  *nudgeTargets(): Generator<NudgeTarget> {
    const row = new ConnectionRow();
    for (const index of this.#order) {
      this.#table.row(index, row);
      const owner = this.#owners.ownerOf(index);
      if (owner && this.#owners.optionsOf(index))
        yield { ...owner, cookie: row.id.cookieBytes, key: row.cookieKey };
    }
  }

  get size(): number {
    return this.#order.length;
  }

  #rank(tally: Tally): Uint32Array {
    const order = new DangerOrder(this.#table.size);
    for (const row of this.#table.rows()) {
      if (!matchesRow(this.#filter, row) || !this.#matchesOwner(row)) continue;
      tally.connections++;
      this.#rankRow(row, tally, order);
    }
    return order.sorted();
  }

  #rankRow(row: ConnectionRow, tally: Tally, order: DangerOrder): void {
    const effective = this.#judge.effective(row);
    if (effective.source === "assumed") tally.assumed++;

    const notice = this.#judge.forecastNotice(row, effective);
    const neverNotices = notice.idle === null && HANGING_STATES.includes(row.state);
    if (neverNotices) tally.neverNotice++;

    const diagnosis = this.#judge.needsDiagnosis(row)
      ? this.#judge.diagnosis(row, effective)
      : null;
    const danger = dangerOf(diagnosis, neverNotices);
    if (danger === "dead") tally.dead++;
    else if (danger === "suspect") tally.suspect++;
    else if (danger === "leak") tally.neverClosed++;

    const latestMs = notice.idle === null ? null : Math.max(notice.idle, notice.inFlight ?? 0);
    order.add(row.index, danger, latestMs);
  }

  #matchesOwner(row: ConnectionRow): boolean {
    if (!needsOwner(this.#filter)) return true;
    return matchesOwner(this.#filter, this.#owners.pidOf(row.index), this.#judge.processOf(row));
  }

  #describe(row: ConnectionRow): AuditedConnection {
    const effective = this.#judge.effective(row);
    const isRead = effective.source === "read";
    return {
      ...this.#outline(row, effective.source, this.#judge.diagnosis(row, effective)),
      fd: this.#owners.ownerOf(row.index)?.fd ?? null,
      keepalive: isRead ? effective.options.keepalive : null,
      userTimeoutMs: isRead ? effective.options.userTimeoutMs : null,
      sendQueueBytes: row.state === "LISTEN" ? 0 : row.sendQueue,
    };
  }

  #outline<T extends BriefDiagnosis | null>(
    row: ConnectionRow,
    settingsFrom: SettingsSource,
    diagnosis: T,
  ): ConnectionOutline & { diagnosis: T } {
    return {
      local: row.local,
      remote: row.remote,
      state: row.state,
      pid: this.#owners.pidOf(row.index),
      process: this.#judge.processOf(row),
      userId: row.userId,
      namespace: this.#judge.namespaceOf(row),
      settingsFrom,
      lastHeardMs: row.heardAgeMs,
      unacked: row.unackedSegments,
      noticeMs: this.#judge.noticeTimes(row),
      diagnosis,
    };
  }
}

type Tally = { -readonly [Key in keyof AuditSummary]: AuditSummary[Key] };

/**
 * Reads the defaults of a namespace. A namespace that may not be entered has no rows, so our own
 * defaults take the place of its defaults, unused.
 */
function defaultsInside(port: SystemPort, namespace: NetworkNamespace): SystemDefaults {
  try {
    return insideNamespace(port, namespace, readSystemDefaults);
  } catch {
    return readSystemDefaults();
  }
}
