import { CALM, diagnoseEnding, UNKNOWN_SURROUNDINGS } from "../core/cause/diagnose.ts";
import type { Diagnosis } from "../core/diagnosis.ts";
import { HalfOpenError } from "../core/errors.ts";
import { SockDiagEvents } from "../kernel/netlink/sock-diag-events.ts";
import { EACCES, EPERM, errnoText } from "../kernel/port/errno-linux.ts";
import type { SystemPort } from "../kernel/port/port.ts";
import type { ConnectionRow } from "../survey/connection-row.ts";
import { ConnectionTable } from "../survey/connection-table.ts";

/** A connection that the kernel gave up, and what it knew then. */
export interface Death {
  readonly local: string;
  readonly remote: string;
  readonly diagnosis: Diagnosis;
  /** Epoch ms. */
  readonly seenAt: number;
}

/** So many probes or timeouts in a row are no loss of everyday life: the kernel gave up. */
const GAVE_UP = 3;

/**
 * Collects post-mortems of connections that the kernel ended because their peer was silent.
 * Ordinary closes are left out.
 */
export class DeathEvents {
  readonly #events: SockDiagEvents;
  readonly #table: ConnectionTable = new ConnectionTable();

  private constructor(events: SockDiagEvents) {
    this.#events = events;
  }

  /** @throws HalfOpenError `ERR_PERMISSION`, `ERR_NOT_SUPPORTED` */
  static open(port: SystemPort): DeathEvents {
    const events = SockDiagEvents.open(port);
    if (typeof events !== "number") return new DeathEvents(events);
    const isPermission = events === -EPERM || events === -EACCES;
    throw new HalfOpenError(
      isPermission ? "ERR_PERMISSION" : "ERR_NOT_SUPPORTED",
      `the kernel does not tell of dying connections (${errnoText(-events)})${isPermission ? "; run as root" : ""}`,
    );
  }

  /** What died since the last time, oldest first. */
  fetch(wallClock: number): Death[] {
    this.#table.truncate(0);
    this.#events.fetch((bytes, start, end) => this.#table.add(bytes, start, end, 0));
    const deaths: Death[] = [];
    for (const row of this.#table.rows()) {
      const diagnosis = postMortem(row, wallClock);
      if (diagnosis)
        deaths.push({ local: row.local, remote: row.remote, diagnosis, seenAt: wallClock });
    }
    return deaths;
  }

  /** Events came faster than they were fetched. */
  get hasMissed(): boolean {
    return this.#events.hasMissed;
  }

  close(): void {
    this.#events.close();
  }
}

/** `null`: it ended as connections should, or nothing tells. */
function postMortem(row: ConnectionRow, wallClock: number): Diagnosis | null {
  const info = row.tcpInfo;
  if (!info || row.remotePort === 0) return null;
  // No answer to its SYN ever came: connect() says so itself
  if (info.segmentsIn === 0) return null;
  if (row.probes < GAVE_UP && row.retransmits < GAVE_UP) return null;
  const diagnosis = diagnoseEnding(
    { errorCode: "ETIMEDOUT", hasPeerEnded: false, isAfterOwnEnd: false },
    { ...CALM, unanswered: Math.max(row.probes, row.retransmits) },
    {
      ...UNKNOWN_SURROUNDINGS,
      local: row.local,
      remote: row.remote,
      info,
      silentForMs: row.heardAgeMs,
      wallClock,
    },
  );
  // The error that its program got is not told.
  return { ...diagnosis, evidence: { ...diagnosis.evidence, errorCode: null } };
}
