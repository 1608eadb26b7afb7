import type { TcpState } from "../tcp-info.ts";
import { connectingLinux, idleLinux, inFlightLinux } from "./linux.ts";
import type { SystemSettings, Timers } from "./prediction.ts";

/**
 * The settings and the state that decide when this end's kernel gives a silent peer up, for one
 * connection. Linux.
 */
export interface NoticeSettings {
  readonly state: TcpState;
  readonly keepalive: {
    readonly enabled: boolean;
    readonly idleMs: number;
    readonly intervalMs: number;
    readonly count: number;
  };
  /** 0 = none. */
  readonly userTimeoutMs: number;
  /** Cap on retransmission backoff. */
  readonly rtoMaxMs: number;
  /** Closed by its program, so the kernel alone holds the connection. */
  readonly isOrphan: boolean;
  readonly rttMs: number;
  /** The retransmission timeout without backoff. */
  readonly rtoMs: number;
  readonly system: SystemSettings & {
    readonly orphanRetries: number;
    readonly finTimeoutMs: number;
  };
}

/** Times from the peer's end to the error at this end, in ms; `null` = never. */
export interface NoticeTimes {
  /** Nothing is sent: counted from the last segment of the peer. */
  readonly idle: number | null;
  /** Data is sent that nobody acknowledges: counted from the sending. */
  readonly inFlight: number | null;
}

const NEVER: NoticeTimes = { idle: null, inFlight: null };
/** Timeouts differ by ticks of 4 ms, so 100,000 connections share a few hundred timeouts. */
const MOST_REMEMBERED = 4096;
const ROOM_FOR_MS = 2 ** 18;
const ROOM_FOR_RETRIES = 2 ** 8;

/**
 * Foretells by the predictor's rules when each of many connections would notice that its peer
 * vanished without a word.
 */
export class NoticeForecast {
  readonly #chains: Map<number, number> = new Map();
  #lastIdle: {
    readonly keepalive: NoticeSettings["keepalive"];
    readonly userTimeoutMs: number;
    readonly ms: number | null;
  } | null = null;

  times(settings: NoticeSettings): NoticeTimes {
    const { state, isOrphan, system } = settings;
    switch (state) {
      case "ESTABLISHED":
      case "CLOSE_WAIT":
        return {
          idle: this.#idleMs(settings),
          inFlight: this.#inFlightMs(settings, system.retries2),
        };
      case "FIN_WAIT2": {
        // Nothing more can be sent. tcp_fin_timeout ends an orphan. Only keepalive ends a
        // connection that a program holds.
        const ms = isOrphan ? system.finTimeoutMs : this.#idleMs(settings);
        return { idle: ms, inFlight: ms };
      }
      case "FIN_WAIT1":
      case "CLOSING":
      case "LAST_ACK":
        return always(
          this.#inFlightMs(settings, isOrphan ? system.orphanRetries : system.retries2),
        );
      case "SYN_SENT":
      case "SYN_RECV":
        return always(Math.round(connectingLinux(timersOf(settings)).typicalMs));
      default:
        return NEVER;
    }
  }

  /** Remembers the last result: connections that share their options come in a row. */
  #idleMs(settings: NoticeSettings): number | null {
    const { keepalive, userTimeoutMs } = settings;
    if (this.#lastIdle?.keepalive !== keepalive || this.#lastIdle.userTimeoutMs !== userTimeoutMs) {
      this.#lastIdle = { keepalive, userTimeoutMs, ms: idleMs(settings) };
    }
    return this.#lastIdle.ms;
  }

  #inFlightMs(settings: NoticeSettings, retries: number): number {
    const { rttMs, rtoMaxMs, userTimeoutMs } = settings;
    const rtoMs = Math.round(settings.rtoMs);
    const withRtt = 2 * rttMs;

    if (userTimeoutMs > 0)
      return Math.round(
        withRtt + inFlightLinux({ ...timersOf(settings), rttMs: 0, rtoMs }).typicalMs,
      );

    const key = (retries % ROOM_FOR_RETRIES) + ROOM_FOR_RETRIES * (rtoMs + ROOM_FOR_MS * rtoMaxMs);
    let chainMs = this.#chains.get(key);
    if (chainMs === undefined) {
      if (this.#chains.size >= MOST_REMEMBERED) this.#chains.clear();
      const timers = { ...timersOf(settings), rttMs: 0, rtoMs };
      chainMs = inFlightLinux({
        ...timers,
        system: { ...timers.system, retries2: retries },
      }).typicalMs;
      this.#chains.set(key, chainMs);
    }
    return Math.round(withRtt + chainMs);
  }
}

/** The times of a state in which data or a SYN or FIN is in flight all the time. */
function always(ms: number): NoticeTimes {
  return { idle: ms, inFlight: ms };
}

/**
 * In the predictor's best case the peer dies as the first probe is due. The silence until then is
 * added.
 */
function idleMs(settings: NoticeSettings): number | null {
  const { keepalive } = settings;
  const found = idleLinux(timersOf(settings));
  return found && Math.max(keepalive.idleMs, keepalive.intervalMs) + found.bestMs;
}

function timersOf({
  keepalive,
  userTimeoutMs,
  rtoMaxMs,
  rttMs,
  rtoMs,
  system,
}: NoticeSettings): Timers {
  return {
    keepalive: keepalive.enabled ? keepalive : null,
    userTimeoutMs,
    rtoMaxMs,
    rttMs,
    rtoMs,
    limitsClosedWindow: true,
    system,
  };
}
