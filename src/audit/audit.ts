import type { Diagnosis, LocalPath } from "../core/diagnosis.ts";
import { NoticeForecast, type NoticeTimes } from "../core/forecast/notice.ts";
import { examineLocalPath } from "../kernel/netlink/local-path.ts";
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
import { processName } from "../survey/owners.ts";
import { HANGING_STATES, type Survey, takeSurvey } from "../survey/survey.ts";
import type {
  AuditedConnection,
  AuditSummary,
  ConnectionOutline,
  Verdict,
} from "./audited-connection.ts";
import { type Danger, DangerOrder } from "./danger-order.ts";
import {
  type EffectiveOptions,
  effectiveOptions,
  type SettingsSource,
} from "./effective-options.ts";
import type { Nudged, NudgeTarget } from "./nudge-round.ts";
import { type FoundOwners, findOwners } from "./owners/owner-search.ts";
import type { OwnerTable } from "./owners/owner-table.ts";
import { isInOrder, ordinaryVerdict, verdictNow } from "./verdict-now.ts";

export interface AuditOptions {
  readonly filter: ConnectionFilter;
  readonly allNamespaces: boolean;
  /** Silence that counts as death once questions stay unanswered, ms. */
  readonly detectWithinMs: number;
  /** How much of each connection's settings is read; default: all. */
  readonly wanted?: OptionsWanted;
  /** What came of asking quiet connections, by the cookie; default: none was asked. */
  readonly nudged?: ReadonlyMap<number, Nudged>;
}

/** Guesses where a connection has no TCP_INFO yet. */
const INITIAL_RTO_MS = 1000;
const LARGEST_BACKOFF = 20;
const NEVER = Number.POSITIVE_INFINITY;

/** A finished audit: the rows stay bytes, and become objects when somebody reads them. */
export class Audit {
  readonly problems: readonly string[];
  readonly summary: AuditSummary;
  readonly #table: ConnectionTable;
  readonly #owners: OwnerTable;
  readonly #namespaces: readonly NetworkNamespace[];
  readonly #defaults: readonly SystemDefaults[];
  readonly #options: AuditOptions;
  readonly #names: Map<number, string | null> = new Map();
  readonly #forecast: NoticeForecast = new NoticeForecast();
  readonly #order: Uint32Array;
  readonly #wallClock: number = Date.now();
  #lastEffective: EffectiveOptions | null = null;
  /** By the row: its two times, as ranking has found them; {@link NEVER} for never. */
  readonly #noticeMs: Float64Array;

  constructor(
    found: {
      readonly table: ConnectionTable;
      readonly owners: OwnerTable;
      readonly namespaces: readonly NetworkNamespace[];
      readonly defaults: readonly SystemDefaults[];
      readonly problems: readonly string[];
    },
    options: AuditOptions,
  ) {
    this.#table = found.table;
    this.#owners = found.owners;
    this.#namespaces = found.namespaces;
    this.#defaults = found.defaults;
    this.#options = options;
    this.problems = found.problems;
    this.#noticeMs = new Float64Array(2 * found.table.size);
    const tally = {
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

  /** Most dangerous first. */
  *connections(): Generator<AuditedConnection> {
    const row = new ConnectionRow();
    for (const index of this.#order) yield this.#tell(this.#table.row(index, row));
  }

  /** The same in outline, for a table: a fifth of the work. */
  *outlines(): Generator<ConnectionOutline> {
    const row = new ConnectionRow();
    for (const index of this.#order) {
      this.#table.row(index, row);
      const effective = this.#effective(row);
      yield this.#outline(row, effective.source, this.#brief(row, effective));
    }
  }

  /** Those that are held by a process we may reach, so that they could be asked. */
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

  #rank(tally: { -readonly [Key in keyof AuditSummary]: AuditSummary[Key] }): Uint32Array {
    const { filter } = this.#options;
    const order = new DangerOrder(this.#table.size);
    for (const row of this.#table.rows()) {
      if (!matchesRow(filter, row) || !this.#matchesOwner(row)) continue;
      tally.connections++;
      this.#weigh(row, tally, order);
    }
    return order.sorted();
  }

  #weigh(
    row: ConnectionRow,
    tally: { -readonly [Key in keyof AuditSummary]: AuditSummary[Key] },
    order: DangerOrder,
  ): void {
    const effective = this.#effective(row);
    const notice = this.#notice(row, effective);
    this.#noticeMs[2 * row.index] = notice.idle ?? NEVER;
    this.#noticeMs[2 * row.index + 1] = notice.inFlight ?? NEVER;
    if (effective.source === "assumed") tally.assumed++;
    const isNever = notice.idle === null && HANGING_STATES.includes(row.state);
    if (isNever) tally.neverNotice++;
    const diagnosis = needsVerdict(row) || this.#nudged(row) ? this.#verdict(row, effective) : null;
    const danger = dangerOf(diagnosis, isNever);
    if (danger === "dead") tally.dead++;
    else if (danger === "suspect") tally.suspect++;
    else if (danger === "leak") tally.neverClosed++;
    order.add(
      row.index,
      danger,
      notice.idle === null ? null : Math.max(notice.idle, notice.inFlight ?? 0),
    );
  }

  #matchesOwner(row: ConnectionRow): boolean {
    const { filter } = this.#options;
    if (!needsOwner(filter)) return true;
    const pid = this.#owners.pidOf(row.index);
    return matchesOwner(filter, pid, this.#nameOf(pid));
  }

  #tell(row: ConnectionRow): AuditedConnection {
    const effective = this.#effective(row);
    const isRead = effective.source === "read";
    return {
      ...this.#outline(row, effective.source, this.#verdict(row, effective)),
      fd: this.#owners.ownerOf(row.index)?.fd ?? null,
      keepalive: isRead ? effective.options.keepalive : null,
      userTimeoutMs: isRead ? effective.options.userTimeoutMs : null,
      sendQueueBytes: row.state === "LISTEN" ? 0 : row.sendQueue,
    };
  }

  #outline<T extends Verdict | null>(
    row: ConnectionRow,
    settingsFrom: SettingsSource,
    diagnosis: T,
  ): ConnectionOutline & { diagnosis: T } {
    const pid = this.#owners.pidOf(row.index);
    return {
      local: row.local,
      remote: row.remote,
      state: row.state,
      pid,
      process: this.#nameOf(pid),
      userId: row.userId,
      namespace: namespaceName(this.#namespaces[row.namespaceIndex]),
      settingsFrom,
      lastHeardMs: row.heardAgeMs,
      unacked: row.unackedSegments,
      noticeMs: this.#ranked(row),
      diagnosis,
    };
  }

  /** Most connections of a machine have the same options as the one before. */
  #effective(row: ConnectionRow): EffectiveOptions {
    const exact = this.#owners.optionsOf(row.index);
    if (exact !== null && exact === this.#lastEffective?.options) return this.#lastEffective;
    const effective = effectiveOptions(row, this.#owners, this.#defaultsOf(row));
    if (effective.source === "read") this.#lastEffective = effective;
    return effective;
  }

  #ranked({ index }: ConnectionRow): NoticeTimes {
    const [idle, inFlight] = [
      this.#noticeMs[2 * index] as number,
      this.#noticeMs[2 * index + 1] as number,
    ];
    return { idle: idle === NEVER ? null : idle, inFlight: inFlight === NEVER ? null : inFlight };
  }

  #notice(row: ConnectionRow, { options }: EffectiveOptions): NoticeTimes {
    const defaults = this.#defaultsOf(row);
    return this.#forecast.times({
      state: row.state,
      keepalive: options.keepalive,
      userTimeoutMs: options.userTimeoutMs,
      rtoMaxMs: options.rtoMaxMs ?? defaults.rtoMaxMs,
      isOrphan: row.inode === 0,
      rttMs: row.hasInfo ? row.rttMs : 0,
      // While retransmitting the kernel tells the timeout after its doublings.
      rtoMs: row.hasInfo
        ? row.rtoMs / (row.retransmits > 0 ? 2 ** Math.min(LARGEST_BACKOFF, row.backoff) : 1)
        : INITIAL_RTO_MS,
      system: defaults,
    });
  }

  /** State and cause alone are known of a connection in order without a diagnosis of it. */
  #brief(row: ConnectionRow, effective: EffectiveOptions): Verdict | null {
    if (row.hasInfo && isInOrder(row) && !this.#nudged(row))
      return ordinaryVerdict(effective.options.keepalive.enabled);
    return this.#verdict(row, effective);
  }

  #verdict(row: ConnectionRow, { options, source, unknown }: EffectiveOptions): Diagnosis | null {
    const defaults = this.#defaultsOf(row);
    const isCapped = options.rtoMaxMs !== null && options.rtoMaxMs < defaults.rtoMaxMs;
    return verdictNow(row, {
      detectWithinMs: this.#options.detectWithinMs,
      rtoMaxMs: isCapped ? options.rtoMaxMs : null,
      keepalive: options.keepalive,
      isKeepaliveRead: source === "read",
      nudged: this.#nudged(row),
      process: this.#nameOf(this.#owners.pidOf(row.index)),
      unknown,
      system: defaults,
      givesUpAfterMs: this.#ranked(row).idle,
      wallClock: this.#wallClock,
      examinePath: (it) => this.#examinePath(it),
    });
  }

  #nudged(row: ConnectionRow): Nudged | null {
    return this.#options.nudged?.get(row.cookieKey) ?? null;
  }

  /** Routes are those of the namespace that this thread is in. */
  #examinePath(row: ConnectionRow): LocalPath | null {
    return this.#namespaces[row.namespaceIndex]?.isOwn === false
      ? null
      : examineLocalPath(row.localAddress, row.remoteAddress);
  }

  #defaultsOf(row: ConnectionRow): SystemDefaults {
    return this.#defaults[row.namespaceIndex] as SystemDefaults;
  }

  #nameOf(pid: number | null): string | null {
    if (pid === null) return null;
    let name = this.#names.get(pid);
    if (name === undefined) {
      name = processName(pid);
      this.#names.set(pid, name);
    }
    return name;
  }
}

/**
 * Looks at every TCP connection of the machine: whose it is, what it is set to, how long it would
 * take to notice a dead peer, and how it is now. Sends nothing and changes nothing.
 *
 * @throws HalfOpenError `ERR_NOT_SUPPORTED`, `ERR_PERMISSION` when not even the own namespace can
 * be seen
 */
export function takeAudit(port: SystemPort, options: AuditOptions): Audit {
  const { filter, allNamespaces, wanted = "all" } = options;
  const states = filter.states.length > 0 ? filter.states : HANGING_STATES;
  const request = { states, withInfo: true, filter: kernelConditions(filter), allNamespaces };
  const survey = takeSurvey(port, request);
  return finishedAudit(
    port,
    survey,
    findOwners(port, survey.table, wanted, filter.pids.length > 0 ? filter.pids : undefined),
    options,
  );
}

function finishedAudit(
  port: SystemPort,
  { table, namespaces, problems }: Survey,
  { owners, hidden }: FoundOwners,
  options: AuditOptions,
): Audit {
  const hiddenNote = `${hidden} processes of other users are hidden: their connections have no owner here; run as root to see them`;
  const defaults = namespaces.map((namespace) => defaultsInside(port, namespace));
  return new Audit(
    {
      table,
      owners,
      namespaces,
      defaults,
      problems: hidden > 0 ? [...problems, hiddenNote] : problems,
    },
    options,
  );
}

/**
 * Of a namespace that may not be entered nothing was listed either: our own values stand in its
 * place, unused.
 */
function defaultsInside(port: SystemPort, namespace: NetworkNamespace): SystemDefaults {
  try {
    return insideNamespace(port, namespace, readSystemDefaults);
  } catch {
    return readSystemDefaults();
  }
}

/** A verdict needs some µs: the many connections that are in order need none to be ranked. */
function needsVerdict(row: ConnectionRow): boolean {
  if (row.state === "CLOSE_WAIT" || row.state === "FIN_WAIT2" || row.state === "SYN_SENT")
    return true;
  return row.probes > 0 || row.retransmits > 0 || (row.sendQueue > 0 && row.state !== "LISTEN");
}

function dangerOf(diagnosis: Diagnosis | null, isNever: boolean): Danger {
  if (diagnosis?.state === "dead" || diagnosis?.state === "suspect") return diagnosis.state;
  if (diagnosis?.cause === "never-closed") return "leak";
  return isNever ? "never-notices" : "in-order";
}

function namespaceName(namespace: NetworkNamespace | undefined): string | null {
  if (!namespace || namespace.isOwn) return null;
  return namespace.name ?? `net:[${namespace.inode}]`;
}
