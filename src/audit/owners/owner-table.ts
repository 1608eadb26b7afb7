import type { ConnectionOptions } from "../../kernel/options/connection-options.ts";
import type { Owner } from "../../survey/owners.ts";

/** The owner and the options of each socket of a survey: 36 bytes a row. */
export class OwnerTable {
  readonly #cells: Int32Array;
  #lastOptions: ConnectionOptions | null = null;

  constructor(rows: number) {
    this.#cells = new Int32Array(rows * COLUMNS);
  }

  /** Returns `null` when no visible process holds the socket. */
  ownerOf(row: number): Owner | null {
    const pid = this.#cell(row, PID);
    return pid === 0 ? null : { pid, fd: this.#cell(row, FD) };
  }

  pidOf(row: number): number | null {
    return this.#cell(row, PID) || null;
  }

  /**
   * Returns `null` when the options were not read, see {@link errnoOf}. Equal options of successive
   * calls are the same object.
   */
  optionsOf(row: number): ConnectionOptions | null {
    if (this.#cell(row, PID) === 0 || this.#cell(row, ERRNO) !== 0) return null;
    const last = this.#lastOptions;
    if (last && this.#holds(row, last)) return last;

    const rtoMaxMs = this.#cell(row, RTO_MAX_MS);
    this.#lastOptions = {
      keepalive: {
        enabled: this.#cell(row, HAS_KEEPALIVE) === 1,
        idleMs: this.#cell(row, IDLE_S) * KEEPALIVE_UNIT_MS,
        intervalMs: this.#cell(row, INTERVAL_S) * KEEPALIVE_UNIT_MS,
        count: this.#cell(row, COUNT),
      },
      userTimeoutMs: this.#cell(row, USER_TIMEOUT_MS),
      rtoMaxMs: rtoMaxMs === NONE ? null : rtoMaxMs,
    };
    return this.#lastOptions;
  }

  /** Returns the errno of reading the options: 0 = they were read; `null` = no owner was found. */
  errnoOf(row: number): number | null {
    return this.#cell(row, PID) === 0 ? null : this.#cell(row, ERRNO);
  }

  /** Enters an owner, with the socket's options or the errno of reading them. */
  set(row: number, pid: number, fd: number, options: ConnectionOptions | number): void {
    const at = row * COLUMNS;
    this.#cells[at + PID] = pid;
    this.#cells[at + FD] = fd;
    if (typeof options === "number") this.#cells[at + ERRNO] = options;
    else this.#setOptions(row, options);
  }

  #setOptions(row: number, options: ConnectionOptions): void {
    const { keepalive, userTimeoutMs, rtoMaxMs } = options;
    const at = row * COLUMNS;
    this.#cells[at + ERRNO] = 0;
    this.#cells[at + HAS_KEEPALIVE] = keepalive.enabled ? 1 : 0;
    this.#cells[at + IDLE_S] = keepalive.idleMs / KEEPALIVE_UNIT_MS;
    this.#cells[at + INTERVAL_S] = keepalive.intervalMs / KEEPALIVE_UNIT_MS;
    this.#cells[at + COUNT] = keepalive.count;
    this.#cells[at + USER_TIMEOUT_MS] = userTimeoutMs;
    this.#cells[at + RTO_MAX_MS] = rtoMaxMs ?? NONE;
  }

  #holds(row: number, { keepalive, userTimeoutMs, rtoMaxMs }: ConnectionOptions): boolean {
    return (
      this.#cell(row, HAS_KEEPALIVE) === (keepalive.enabled ? 1 : 0) &&
      this.#cell(row, IDLE_S) * KEEPALIVE_UNIT_MS === keepalive.idleMs &&
      this.#cell(row, INTERVAL_S) * KEEPALIVE_UNIT_MS === keepalive.intervalMs &&
      this.#cell(row, COUNT) === keepalive.count &&
      this.#cell(row, USER_TIMEOUT_MS) === userTimeoutMs &&
      this.#cell(row, RTO_MAX_MS) === (rtoMaxMs ?? NONE)
    );
  }

  #cell(row: number, column: number): number {
    return this.#cells[row * COLUMNS + column] ?? 0;
  }
}

/** Numbers a row: pid, descriptor, errno and options. */
const COLUMNS = 9;
const PID = 0;
const FD = 1;
const ERRNO = 2;
const HAS_KEEPALIVE = 3;
const IDLE_S = 4;
const INTERVAL_S = 5;
const COUNT = 6;
const USER_TIMEOUT_MS = 7;
const RTO_MAX_MS = 8;
const NONE = -1;

/**
 * Linux has keepalive's times in whole seconds. The default (tcp_keepalive_time) can be too long
 * for 32 bits of milliseconds.
 */
const KEEPALIVE_UNIT_MS = 1000;
