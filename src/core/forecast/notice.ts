import type { TcpState } from "../tcp-info.ts";
import { connectingLinux, idleLinux, inFlightLinux } from "./linux.ts";
import type { SystemSettings, Timers } from "./prediction.ts";

/**
 * What decides when the kernel of this end gives a silent peer up, for one connection as it stands.
 * Linux.
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
  /** Closed by its program: the kernel alone looks after it. */
  readonly isOrphan: boolean;
  readonly rttMs: number;
  /** The retransmission timeout without backoff. */
  readonly rtoMs: number;
  readonly system: SystemSettings & {
    readonly orphanRetries: number;
    readonly finTimeoutMs: number;
  };
}

/** From the peer's end to the error at this end, in ms; `null` = never. */
export interface NoticeTimes {
  /** Nothing is sent: counted from the last segment of the peer. */
  readonly idle: number | null;
  /** Data is sent that nobody acknowledges: counted from its sending. */
  readonly inFlight: number | null;
}

const NEVER: NoticeTimes = { idle: null, inFlight: null };
/** Timeouts differ by ticks of 4 ms, so that 100,000 connections share a few hundred of them. */
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
        // Nothing more can be sent. An orphan is timed by tcp_fin_timeout, one that a program holds
        // only by its keepalive.
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

  /** Remembers one: connections that share their options come in a row. */
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

/** Something is in flight in this state as long as it lasts. */
function always(ms: number): NoticeTimes {
  return { idle: ms, inFlight: ms };
}

/**
 * The predictor's best case has the peer die as the first probe is due; silence until then comes on
 * top.
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
