import type { Diagnosis, LocalPath } from "../core/diagnosis.ts";
import { NoticeForecast, type NoticeTimes } from "../core/forecast/notice.ts";
import { examineLocalPath } from "../kernel/netlink/local-path.ts";
import { type NetworkNamespace, namespaceLabel } from "../kernel/netlink/network-namespace.ts";
import type { SystemDefaults } from "../kernel/system/system-defaults.ts";
import type { ConnectionRow } from "../survey/connection-row.ts";
import { OwnerNames, type SocketOwner } from "../survey/owners.ts";
import type { BriefDiagnosis } from "./audited-connection.ts";
import { type EffectiveOptions, effectiveOptions } from "./effective-options.ts";
import type { Nudged } from "./nudge-round.ts";
import type { OwnerTable } from "./owners/owner-table.ts";
import { isInOrder, type OrdinaryFrame, ordinaryVerdict, verdictNow } from "./verdict-now.ts";

/**
 * Judges the rows of one survey: the settings that a connection obeys, the time until it would
 * notice a dead peer, and the state it is in now. Each judgement joins a row with its surroundings:
 * the owner, the defaults of its network namespace, and the result of a nudge.
 */
export class RowJudge {
  readonly #surroundings: Surroundings;
  readonly #options: JudgeOptions;
  readonly #names: OwnerNames = new OwnerNames();
  readonly #forecast: NoticeForecast = new NoticeForecast();
  readonly #wallClock: number = Date.now();
  #lastEffective: EffectiveOptions | null = null;
  /** Two times a row, as {@link forecastNotice} found them; {@link NEVER} for never. */
  readonly #noticeMs: Float64Array;

  /** `rows`: the number of rows in the survey. */
  constructor(surroundings: Surroundings, options: JudgeOptions, rows: number) {
    this.#surroundings = surroundings;
    this.#options = options;
    this.#noticeMs = new Float64Array(2 * rows);
  }

  /** Returns the settings that the connection obeys. */
  effective(row: ConnectionRow): EffectiveOptions {
    const { owners } = this.#surroundings;
    const exact = owners.optionsOf(row.index);

    // Most connections of a machine have the same options as the one before.
    if (exact !== null && exact === this.#lastEffective?.options) return this.#lastEffective;

    const effective = effectiveOptions(row, owners, this.#defaultsOf(row));
    if (effective.source === "read") this.#lastEffective = effective;
    return effective;
  }

  /** Forecasts when the connection would notice a dead peer, and remembers it by the row. */
  forecastNotice(row: ConnectionRow, { options }: EffectiveOptions): NoticeTimes {
    const defaults = this.#defaultsOf(row);
    const times = this.#forecast.times({
      state: row.state,
      keepalive: options.keepalive,
      userTimeoutMs: options.userTimeoutMs,
      rtoMaxMs: options.rtoMaxMs ?? defaults.rtoMaxMs,
      isOrphan: row.inode === 0,
      rttMs: row.hasInfo ? row.rttMs : 0,
      rtoMs: row.hasInfo ? undoubledRtoMs(row) : INITIAL_RTO_MS,
      system: defaults,
    });

    this.#noticeMs[2 * row.index] = times.idle ?? NEVER;
    this.#noticeMs[2 * row.index + 1] = times.inFlight ?? NEVER;
    return times;
  }

  /** Returns the times of {@link forecastNotice} again. */
  noticeTimes({ index }: ConnectionRow): NoticeTimes {
    const idle = this.#noticeMs[2 * index] as number;
    const inFlight = this.#noticeMs[2 * index + 1] as number;
    return { idle: idle === NEVER ? null : idle, inFlight: inFlight === NEVER ? null : inFlight };
  }

  /**
   * True when the connection can be in trouble. A diagnosis takes some µs, and the many connections
   * in order need none for their place in the ranking.
   */
  needsDiagnosis(row: ConnectionRow): boolean {
    if (row.state === "CLOSE_WAIT" || row.state === "FIN_WAIT2" || row.state === "SYN_SENT")
      return true;
    if (row.probes > 0 || row.retransmits > 0) return true;
    return (row.sendQueue > 0 && row.state !== "LISTEN") || this.#nudged(row) !== null;
  }

  /** Returns state and cause alone, which for a connection in order take no diagnosis. */
  brief(row: ConnectionRow, effective: EffectiveOptions): BriefDiagnosis | null {
    if (row.hasInfo && isInOrder(row) && !this.#nudged(row))
      return ordinaryVerdict(effective.options.keepalive.enabled);
    return this.diagnosis(row, effective);
  }

  diagnosis(row: ConnectionRow, effective: EffectiveOptions): Diagnosis | null {
    return verdictNow(row, {
      ...this.#ordinaryFrame(row, effective),
      detectWithinMs: this.#options.detectWithinMs,
      isKeepaliveRead: effective.source === "read",
      nudged: this.#nudged(row),
      system: this.#defaultsOf(row),
      givesUpAfterMs: this.noticeTimes(row).idle,
      examinePath: (it) => this.#examinePath(it),
    });
  }

  /**
   * Returns what decides on the diagnosis of this row beside its ends and its age; `null` where
   * more does. Most rows of a machine share it.
   */
  ordinaryFrame(row: ConnectionRow, effective: EffectiveOptions): OrdinaryFrame | null {
    if (!row.hasInfo || !isInOrder(row) || this.#nudged(row)) return null;
    return this.#ordinaryFrame(row, effective);
  }

  #ordinaryFrame(row: ConnectionRow, { options, unknown }: EffectiveOptions): OrdinaryFrame {
    const { keepalive, rtoMaxMs } = options;
    const isCapped = rtoMaxMs !== null && rtoMaxMs < this.#defaultsOf(row).rtoMaxMs;
    return {
      rtoMaxMs: isCapped ? rtoMaxMs : null,
      keepalive,
      process: this.ownerOf(row)?.process ?? null,
      unknown,
      wallClock: this.#wallClock,
    };
  }

  ownerOf(row: ConnectionRow): SocketOwner | null {
    const pid = this.#surroundings.owners.pidOf(row.index);
    return pid === null ? null : this.#names.of(pid);
  }

  placeOf(row: ConnectionRow): NetworkNamespace | null {
    return this.#surroundings.namespaces.get(row.namespaceIndex) ?? null;
  }

  /** Returns the name of the network namespace; `null` = ours. */
  namespaceOf(row: ConnectionRow): string | null {
    const namespace = this.placeOf(row);
    return namespace && namespaceLabel(namespace);
  }

  #nudged(row: ConnectionRow): Nudged | null {
    return this.#options.nudged?.get(row.cookieKey) ?? null;
  }

  /** `null` in another namespace: this thread sees the routes of its own namespace only. */
  #examinePath(row: ConnectionRow): LocalPath | null {
    return this.placeOf(row)?.isOwn === false
      ? null
      : examineLocalPath({
          localAddress: row.localAddress,
          localPort: row.localPort,
          remoteAddress: row.remoteAddress,
          remotePort: row.remotePort,
          by: { userId: row.userId, interfaceIndex: row.interfaceIndex },
        });
  }

  #defaultsOf(row: ConnectionRow): SystemDefaults {
    return this.#surroundings.defaults.get(row.namespaceIndex) as SystemDefaults;
  }
}

export interface JudgeOptions {
  /** Silence that counts as death once attempts stay unanswered, ms. */
  readonly detectWithinMs: number;
  /** Results of nudging quiet connections, by cookie; default: no connection was nudged. */
  readonly nudged?: ReadonlyMap<number, Nudged>;
}

/** Facts about the rows of a survey that are not in the rows. */
export interface Surroundings {
  readonly owners: OwnerTable;
  /** By the index that each row carries. */
  readonly namespaces: ReadonlyMap<number, NetworkNamespace>;
  /** Of each of these namespaces. */
  readonly defaults: ReadonlyMap<number, SystemDefaults>;
}

const NEVER = Number.POSITIVE_INFINITY;

/** Assumed while a connection has no TCP_INFO. */
const INITIAL_RTO_MS = 1000;
const LARGEST_BACKOFF = 20;
/** Above the round trip (TCP_RTO_MIN in tcp.h, __tcp_set_rto in tcp_input.c). */
const LEAST_RTO_MS = 200;

/**
 * While it retransmits, the kernel reports the timeout after its doublings. Once the cap holds the
 * timeout, the doublings go on without it, so the kernel's least timeout bounds the result.
 */
function undoubledRtoMs(row: ConnectionRow): number {
  if (row.retransmits === 0) return row.rtoMs;
  const undoubledMs = row.rtoMs / 2 ** Math.min(LARGEST_BACKOFF, row.backoff);
  return Math.max(undoubledMs, row.rttMs + LEAST_RTO_MS);
}
