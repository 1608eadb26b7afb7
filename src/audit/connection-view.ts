import type { Diagnosis } from "../core/diagnosis.ts";
import type { NoticeTimes } from "../core/forecast/notice.ts";
import type { TcpState } from "../core/tcp-info.ts";
import type { ConnectionRow } from "../survey/connection-row.ts";
import type { SocketOwner } from "../survey/owners.ts";
import type { AuditedConnection } from "./audited-connection.ts";
import type { EffectiveOptions, SettingsSource } from "./effective-options.ts";
import type { OwnerTable } from "./owners/owner-table.ts";
import type { RowJudge } from "./row-judge.ts";
import type { OrdinaryFrame } from "./verdict-now.ts";

/**
 * One connection of an audit: each field is found when it is read, so that a reader pays for what
 * it takes. Moves from row to row.
 */
export class ConnectionView implements AuditedConnection {
  readonly #owners: OwnerTable;
  readonly #judge: RowJudge;
  #row: ConnectionRow;
  #effective: EffectiveOptions | null = null;

  constructor(row: ConnectionRow, owners: OwnerTable, judge: RowJudge) {
    this.#row = row;
    this.#owners = owners;
    this.#judge = judge;
  }

  moveTo(row: ConnectionRow): this {
    this.#row = row;
    this.#effective = null;
    return this;
  }

  get local(): string {
    return this.#row.local;
  }

  get remote(): string {
    return this.#row.remote;
  }

  get state(): TcpState {
    return this.#row.state;
  }

  get owner(): SocketOwner | null {
    return this.#judge.ownerOf(this.#row);
  }

  get pid(): number | null {
    return this.#owners.pidOf(this.#row.index);
  }

  get process(): string | null {
    return this.owner?.process ?? null;
  }

  get cgroup(): string | null {
    return this.owner?.cgroup ?? null;
  }

  get userId(): number {
    return this.#row.userId;
  }

  get namespace(): string | null {
    return this.#judge.namespaceOf(this.#row);
  }

  get settingsFrom(): SettingsSource {
    return this.#settings.source;
  }

  get lastHeardMs(): number | null {
    return this.#row.heardAgeMs;
  }

  get unacked(): number {
    return this.#row.unackedSegments;
  }

  get noticeMs(): NoticeTimes {
    return this.#judge.noticeTimes(this.#row);
  }

  get diagnosis(): Diagnosis | null {
    return this.#judge.diagnosis(this.#row, this.#settings);
  }

  /** See {@link RowJudge.ordinaryFrame}. */
  get ordinaryFrame(): OrdinaryFrame | null {
    return this.#judge.ordinaryFrame(this.#row, this.#settings);
  }

  get fd(): number | null {
    return this.#owners.ownerOf(this.#row.index)?.fd ?? null;
  }

  get keepalive(): AuditedConnection["keepalive"] {
    const { source, options } = this.#settings;
    return source === "read" ? options.keepalive : null;
  }

  get userTimeoutMs(): number | null {
    const { source, options } = this.#settings;
    return source === "read" ? options.userTimeoutMs : null;
  }

  get sendQueueBytes(): number {
    return this.#row.state === "LISTEN" ? 0 : this.#row.sendQueue;
  }

  /** Returns a copy that stays, as plain data. */
  toJSON(): AuditedConnection {
    return {
      local: this.local,
      remote: this.remote,
      state: this.state,
      pid: this.pid,
      process: this.process,
      cgroup: this.cgroup,
      userId: this.userId,
      namespace: this.namespace,
      settingsFrom: this.settingsFrom,
      lastHeardMs: this.lastHeardMs,
      unacked: this.unacked,
      noticeMs: this.noticeMs,
      diagnosis: this.diagnosis,
      fd: this.fd,
      keepalive: this.keepalive,
      userTimeoutMs: this.userTimeoutMs,
      sendQueueBytes: this.sendQueueBytes,
    };
  }

  get #settings(): EffectiveOptions {
    this.#effective ??= this.#judge.effective(this.#row);
    return this.#effective;
  }
}
