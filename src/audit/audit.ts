import { insideNamespace, type NetworkNamespace } from "../kernel/netlink/network-namespace.ts";
import type { OptionsWanted } from "../kernel/options/connection-options.ts";
import type { SystemPort } from "../kernel/port/port.ts";
import { readSystemDefaults, type SystemDefaults } from "../kernel/system/system-defaults.ts";
import {
  type ConnectionFilter,
  kernelConditions,
  matchesNamespace,
  matchesOwner,
  matchesRow,
  needsOwner,
} from "../survey/connection-filter.ts";
import { ConnectionRow } from "../survey/connection-row.ts";
import type { ConnectionTable } from "../survey/connection-table.ts";
import { HANGING_STATES, takeSurvey } from "../survey/survey.ts";
import type { AuditedConnection, AuditSummary, ConnectionOutline } from "./audited-connection.ts";
import { ConnectionView } from "./connection-view.ts";
import { dangerOf } from "./danger.ts";
import { DangerOrder } from "./danger-order.ts";
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
  const defaults = new Map(
    [...namespaces].map(([index, namespace]) => [index, defaultsInside(port, namespace)]),
  );
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

  /** Yields the connections, the most dangerous first, in one view that moves on. */
  *views(): Generator<ConnectionView> {
    const row = new ConnectionRow();
    const view = new ConnectionView(row, this.#owners, this.#judge);
    for (const index of this.#order) yield view.moveTo(this.#table.row(index, row));
  }

  /** Yields the same connections as plain data. */
  *connections(): Generator<AuditedConnection> {
    for (const view of this.views()) yield view.toJSON();
  }

  /** Yields the same connections in outline, for a table, at a fifth of the cost. */
  *outlines(): Generator<ConnectionOutline> {
    const row = new ConnectionRow();
    for (const index of this.#order) {
      this.#table.row(index, row);
      const effective = this.#judge.effective(row);
      const owner = this.#judge.ownerOf(row);
      yield {
        local: row.local,
        remote: row.remote,
        state: row.state,
        pid: owner?.pid ?? null,
        process: owner?.process ?? null,
        cgroup: owner?.cgroup ?? null,
        userId: row.userId,
        namespace: this.#judge.namespaceOf(row),
        settingsFrom: effective.source,
        lastHeardMs: row.heardAgeMs,
        unacked: row.unackedSegments,
        noticeMs: this.#judge.noticeTimes(row),
        diagnosis: this.#judge.brief(row, effective),
      };
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
      if (!matchesRow(this.#filter, row) || !this.#matchesPlace(row)) continue;
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

  #matchesPlace(row: ConnectionRow): boolean {
    const filter = this.#filter;
    if (needsOwner(filter) && !matchesOwner(filter, this.#judge.ownerOf(row))) return false;
    return filter.namespaces.length === 0 || matchesNamespace(filter, this.#judge.placeOf(row));
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
