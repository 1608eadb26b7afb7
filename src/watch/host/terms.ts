import { inFlightUserTimeoutMs, isHasty, rtoCapMs } from "../../core/judge/backstop.ts";
import type { MtuProbing } from "../../core/judge/full-size.ts";
import { UNCAPPED_RTO_MS } from "../../core/judge/retransmission-times.ts";
import { planOnShortPath } from "../../core/judge/short-path.ts";
import type { TcpInfo } from "../../core/tcp-info.ts";
import type { ConnectionOptions } from "../../kernel/options/connection-options.ts";
import { mtuProbing } from "../../kernel/options/mtu-probing.ts";
import { readRetries } from "../../kernel/options/retries.ts";
import { applyRtoMax, readRtoMax } from "../../kernel/options/rto-max.ts";
import { sampleTcpInfo } from "../../kernel/tcp-info/tcp-info.ts";
import type { WatchSettings } from "../settings.ts";

/** The limits that a connection is held to. */
export interface Terms {
  readonly budgetMs: number;
  /** The longest outage that must not end the connection; `undefined`: 0.4 budgets. */
  readonly surviveOutageMs: number | undefined;
  readonly falseAlarmsPerYear: number;
  readonly atDeadline: "wait" | "end";
  /** Our options must not end the connection: `onDead: "report"`. */
  readonly isReport: boolean;
  readonly rtoMaxMs: number | null;
  /** The cap was there and was taken off: `Standing.uncap`. */
  readonly isUncapped: boolean;
  /**
   * The user timeout while data is in flight with an open window; 0 if the kernel's own patience is
   * enough.
   */
  readonly inFlightUserTimeoutMs: number;
  /** The kernel could give up data in flight before a check has seen it: see `Standing.guard`. */
  readonly isHasty: boolean;
  readonly zeroWindowToleranceMs: number;
  /** The backoff beyond which the kernel does not double its timeout. */
  readonly lastBackoff: number;
  readonly mtuProbing: MtuProbing;
  /** Idle time on a path that loses nothing; no other path has a longer one. */
  readonly longestIdleMs: number;
}

/**
 * Sets the cap on backoff and returns the terms. With `onDead: "report"` the program's own patience
 * stays, and so does its user timeout while data is in flight.
 */
export function termsFor(fd: number, settings: WatchSettings, saved: ConnectionOptions): Terms {
  const {
    detectWithinMs: budgetMs,
    surviveOutageMs: ownOutageMs,
    falseAlarmsPerYear,
    atDeadline,
    zeroWindowToleranceMs,
  } = settings;
  const isReport = settings.onDead === "report";
  const retries2 = readRetries().tcpRetries2;
  const rtoMaxMs = isReport ? null : applyCap(fd, budgetMs);
  const surviveOutageMs = ownOutageMs ?? undefined;
  const terms: Terms = {
    budgetMs,
    surviveOutageMs,
    falseAlarmsPerYear,
    atDeadline,
    isReport,
    rtoMaxMs,
    isUncapped: false,
    inFlightUserTimeoutMs: saved.userTimeoutMs,
    isHasty: false,
    zeroWindowToleranceMs,
    lastBackoff: retries2,
    mtuProbing: mtuProbing(),
    longestIdleMs: planOnShortPath({ budgetMs, surviveOutageMs, falseAlarmsPerYear, rtoMaxMs })
      .idleMs,
  };
  return isReport ? terms : withCap(terms, rtoMaxMs);
}

export function withCap(terms: Terms, rtoMaxMs: number | null): Terms {
  const { budgetMs, lastBackoff, zeroWindowToleranceMs } = terms;
  return {
    ...terms,
    rtoMaxMs,
    inFlightUserTimeoutMs: inFlightUserTimeoutMs(
      budgetMs,
      rtoMaxMs,
      lastBackoff,
      zeroWindowToleranceMs,
    ),
    isHasty: isHasty(budgetMs, rtoMaxMs, lastBackoff),
  };
}

/**
 * Sets the cap on backoff and returns it; `null`: there is none. During retransmissions the cap in
 * force stays, because a lower one would end the connection (see `bearable`).
 */
function applyCap(fd: number, budgetMs: number): number | null {
  const info = sampleTcpInfo(fd);
  if (typeof info === "number") return applyRtoMax(fd, rtoCapMs(budgetMs));
  if (!isRepeating(info)) return applyRtoMax(fd, rtoCapMs(budgetMs, info));
  const inForceMs = readRtoMax(fd) ?? UNCAPPED_RTO_MS;
  return inForceMs < UNCAPPED_RTO_MS ? inForceMs : null;
}

export function isRepeating({ retransmits = 0 }: TcpInfo): boolean {
  return retransmits > 0;
}
