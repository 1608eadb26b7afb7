import type { Diagnosis, LocalPath } from "../core/diagnosis.ts";
import { NoticeForecast, type NoticeTimes } from "../core/notice.ts";
import type { TcpState } from "../core/tcp-info.ts";
import { examineLocalPath } from "../kernel/local-path.ts";
import { insideNamespace, type NetworkNamespace } from "../kernel/network-namespace.ts";
import type { SystemPort } from "../kernel/port.ts";
import { type ConnectionFilter, kernelConditions, matchesOwner, matchesRow, needsOwner } from "./connection-filter.ts";
import { ConnectionRow } from "./connection-row.ts";
import type { ConnectionTable } from "./connection-table.ts";
import { type EffectiveOptions, effectiveOptions, type SettingsSource } from "./effective-options.ts";
import type { OptionsWanted } from "./exact-options.ts";
import type { Nudged, NudgeTarget } from "./nudge-round.ts";
import { OwnerSearch } from "./owner-search.ts";
import type { OwnerTable } from "./owner-table.ts";
import { processName } from "./owners.ts";
import { HANGING_STATES, takeSurvey } from "./survey.ts";
import { readSystemDefaults, type SystemDefaults } from "./system-defaults.ts";
import { verdictNow } from "./verdict-now.ts";

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

/** One connection as an audit tells of it. Plain data; times in ms, `null` = never or unknown. */
export interface AuditedConnection {
  readonly local: string;
  readonly remote: string;
  readonly state: TcpState;
  readonly pid: number | null;
  readonly fd: number | null;
  readonly process: string | null;
  readonly userId: number;
  /** The network namespace it lives in; `null` = ours. */
  readonly namespace: string | null;
  readonly keepalive: { readonly enabled: boolean; readonly idleMs: number; readonly intervalMs: number; readonly count: number } | null;
  readonly userTimeoutMs: number | null;
  readonly settingsFrom: SettingsSource;
  readonly lastHeardMs: number | null;
  /** Segments that the peer has not acknowledged. */
  readonly unacked: number;
  readonly sendQueueBytes: number;
  readonly noticeMs: NoticeTimes;
  readonly diagnosis: Diagnosis | null;
}

/** Which of an audit's connections deserve what. */
export interface AuditSummary {
  readonly connections: number;
  /** Idle, their peer could vanish and nobody here would ever learn. */
  readonly neverNotice: number;
  readonly dead: number;
  readonly suspect: number;
  /** CLOSE_WAIT or FIN_WAIT2 that nobody ends. */
  readonly neverClosed: number;
  /** Settings that could not be read. */
  readonly assumed: number;
}

/** Ranks of danger; within one, the connection that would notice last comes first. */
const DEAD = 4e12;
const SUSPECT = 3e12;
const LEAK = 2e12;
const NEVER = 1e12;
/** Guesses where a connection has no TCP_INFO yet. */
const INITIAL_RTO_MS = 1000;
const LARGEST_BACKOFF = 20;

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
    const tally = { connections: 0, neverNotice: 0, dead: 0, suspect: 0, neverClosed: 0, assumed: 0 };
    this.#order = this.#rank(tally);
    this.summary = tally;
  }

  /** Most dangerous first. */
  *connections(): Generator<AuditedConnection> {
    const row = new ConnectionRow();
    for (const index of this.#order) yield this.#tell(this.#table.row(index, row));
  }

  /** Those that are held by a process we may reach, so that they could be asked. */
  *nudgeTargets(): Generator<NudgeTarget> {
    const row = new ConnectionRow();
    for (const index of this.#order) {
      this.#table.row(index, row);
      const owner = this.#owners.ownerOf(index);
      if (owner && this.#owners.optionsOf(index)) yield { ...owner, cookie: row.id.cookieBytes, key: row.cookieKey };
    }
  }

  get size(): number {
    return this.#order.length;
  }

  #rank(tally: { -readonly [Key in keyof AuditSummary]: AuditSummary[Key] }): Uint32Array {
    const { filter } = this.#options;
    const danger = new Float64Array(this.#table.size);
    const kept = new Uint32Array(this.#table.size);
    let count = 0;
    for (const row of this.#table.rows()) {
      if (!matchesRow(filter, row) || !this.#matchesOwner(row)) continue;
      kept[count++] = row.index;
      danger[row.index] = this.#weigh(row, tally);
    }
    tally.connections = count;
    return kept.subarray(0, count).sort((a, b) => (danger[b] ?? 0) - (danger[a] ?? 0) || a - b);
  }

  #weigh(row: ConnectionRow, tally: { -readonly [Key in keyof AuditSummary]: AuditSummary[Key] }): number {
    const effective = this.#effective(row);
    const notice = this.#notice(row, effective);
    if (effective.source === "assumed") tally.assumed++;
    const isNever = notice.idle === null && HANGING_STATES.includes(row.state);
    if (isNever) tally.neverNotice++;
    const diagnosis = needsVerdict(row) || this.#nudged(row) ? this.#verdict(row, effective) : null;
    const within = Math.min(NEVER / 2, Math.max(notice.idle ?? NEVER / 2, notice.inFlight ?? 0));
    if (diagnosis?.state === "dead") {
      tally.dead++;
      return DEAD + within;
    }
    if (diagnosis?.state === "suspect") {
      tally.suspect++;
      return SUSPECT + within;
    }
    if (diagnosis?.cause === "never-closed") {
      tally.neverClosed++;
      return LEAK + within;
    }
    return (isNever ? NEVER : 0) + within;
  }

  #matchesOwner(row: ConnectionRow): boolean {
    const { filter } = this.#options;
    if (!needsOwner(filter)) return true;
    const pid = this.#owners.ownerOf(row.index)?.pid ?? null;
    return matchesOwner(filter, pid, this.#nameOf(pid));
  }

  #tell(row: ConnectionRow): AuditedConnection {
    const effective = this.#effective(row);
    const owner = this.#owners.ownerOf(row.index);
    const isRead = effective.source === "read";
    return {
      local: row.local,
      remote: row.remote,
      state: row.state,
      pid: owner?.pid ?? null,
      fd: owner?.fd ?? null,
      process: this.#nameOf(owner?.pid ?? null),
      userId: row.userId,
      namespace: namespaceName(this.#namespaces[row.namespaceIndex]),
      keepalive: isRead ? effective.options.keepalive : null,
      userTimeoutMs: isRead ? effective.options.userTimeoutMs : null,
      settingsFrom: effective.source,
      lastHeardMs: row.heardAgeMs,
      unacked: row.hasInfo ? row.unackedSegments : 0,
      sendQueueBytes: row.state === "LISTEN" ? 0 : row.sendQueue,
      noticeMs: this.#notice(row, effective),
      diagnosis: this.#verdict(row, effective),
    };
  }

  #effective(row: ConnectionRow): EffectiveOptions {
    return effectiveOptions(row, this.#owners, this.#defaultsOf(row));
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
      rtoMs: row.hasInfo ? row.rtoMs / (row.retransmits > 0 ? 2 ** Math.min(LARGEST_BACKOFF, row.backoff) : 1) : INITIAL_RTO_MS,
      system: defaults,
    });
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
      process: this.#nameOf(this.#owners.ownerOf(row.index)?.pid ?? null),
      unknown,
      wallClock: this.#wallClock,
      examinePath: (it) => this.#examinePath(it),
    });
  }

  #nudged(row: ConnectionRow): Nudged | null {
    return this.#options.nudged?.get(row.cookieKey) ?? null;
  }

  /** Routes are those of the namespace that this thread is in. */
  #examinePath(row: ConnectionRow): LocalPath | null {
    return this.#namespaces[row.namespaceIndex]?.isOwn === false ? null : examineLocalPath(row.localAddress, row.remoteAddress);
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
 * Looks at every TCP connection of the machine: whose it is, what it is set to, how long it would take to notice a dead peer, and how
 * it is now. Sends nothing and changes nothing.
 *
 * @throws HalfOpenError `ERR_NOT_SUPPORTED`, `ERR_PERMISSION` when not even the own namespace can be seen
 */
export async function takeAudit(port: SystemPort, options: AuditOptions): Promise<Audit> {
  const { filter, allNamespaces } = options;
  const search = new OwnerSearch(port, { wanted: options.wanted ?? "all", ...(filter.pids.length > 0 ? { pids: filter.pids } : {}) });
  const states = filter.states.length > 0 ? filter.states : HANGING_STATES;
  const { table, namespaces, problems } = takeSurvey(port, { states, withInfo: true, filter: kernelConditions(filter), allNamespaces });
  const { owners, hidden } = await search.run(table);
  const hiddenNote = `${hidden} processes of other users are hidden: their connections have no owner here; run as root to see them`;
  const defaults = namespaces.map((namespace) => defaultsInside(port, namespace));
  return new Audit({ table, owners, namespaces, defaults, problems: hidden > 0 ? [...problems, hiddenNote] : problems }, options);
}

/** Of a namespace that may not be entered nothing was listed either: our own values stand in its place, unused. */
function defaultsInside(port: SystemPort, namespace: NetworkNamespace): SystemDefaults {
  try {
    return insideNamespace(port, namespace, readSystemDefaults);
  } catch {
    return readSystemDefaults();
  }
}

/** A verdict needs some µs: the many connections that are in order need none to be ranked. */
function needsVerdict(row: ConnectionRow): boolean {
  if (row.state === "CLOSE_WAIT" || row.state === "FIN_WAIT2") return true;
  return row.probes > 0 || row.retransmits > 0 || (row.sendQueue > 0 && row.state !== "LISTEN");
}

function namespaceName(namespace: NetworkNamespace | undefined): string | null {
  if (!namespace || namespace.isOwn) return null;
  return namespace.name ?? `net:[${namespace.inode}]`;
}
