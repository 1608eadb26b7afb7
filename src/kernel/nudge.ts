import { HalfOpenError } from "../core/errors.ts";
import { LOOSEST_COUNT } from "../core/judge/backstop.ts";
import { flowOf, heardAgeMs } from "../core/judge/reading.ts";
import type { TcpInfo } from "../core/tcp-info.ts";
import { monotonicMs, sleep } from "./clock.ts";
import {
  applyOptions,
  type ConnectionOptions,
  isSameOptions,
  readOptions,
} from "./options/connection-options.ts";
import { isSameKeepalive } from "./options/keepalive.ts";
import { ownOptions, restoreOptions } from "./options/late-restore.ts";
import { readUserTimeout } from "./options/user-timeout.ts";
import { openPort, whyNoPort } from "./port/open-port.ts";
import { IPPROTO_TCP, TCP_KEEPIDLE } from "./port/platform-linux.ts";
import { writeInt } from "./port/socket-option.ts";
import { descriptorOf, realSocketOf } from "./process/descriptor.ts";
import { readTcpInfo } from "./tcp-info/tcp-info.ts";

/** The round-trip evidence of one keepalive probe sent on demand. */
export interface NudgeResult {
  /** True when the peer's host answered. */
  readonly answered: boolean;
  /** Time until the answer, in ms, exact to the few ms between two readings; `null` without one. */
  readonly rttMs: number | null;
  /** True when a probe left this host's TCP. */
  readonly sent: boolean;
  /** The outcome in words, or why nothing could be sent. */
  readonly why: string;
  readonly tcpInfo: TcpInfo;
}

/**
 * The idle time that a nudge sets, the least that TCP_KEEPIDLE takes. The kernel sends the probe
 * only on a connection that heard nothing for that long.
 */
export const NUDGE_IDLE_MS = 1000;
const LOOK_EVERY_MS = 5;

const running = new WeakMap<object, Promise<NudgeResult>>();
/** The options of each connection that is being nudged: its own, and those it has meanwhile. */
const asked = new Map<
  number,
  { readonly own: ConnectionOptions; readonly meanwhile: ConnectionOptions }
>();

/**
 * Returns a connection's options without what is there only for a while: the keepalive of a nudge
 * under way, and options that stand in until the connection bears its own again.
 */
export function settledOptions(fd: number): ConnectionOptions {
  const now = ownOptions(fd);
  const nudged = asked.get(fd);
  if (!nudged || !isSameKeepalive(now.keepalive, nudged.meanwhile.keepalive)) return now;
  const { own, meanwhile } = nudged;
  const isOurTimeout = now.userTimeoutMs === meanwhile.userTimeoutMs;
  return {
    ...now,
    keepalive: own.keepalive,
    ...(isOurTimeout && { userTimeoutMs: own.userTimeoutMs }),
  };
}

/**
 * Makes the keepalive timer fire within a jiffy or two (docs/internals/kernel.md#nudge):
 * asynchronous, unprivileged, SO_KEEPALIVE must be on.
 */
export function nudgeDescriptor(fd: number): void {
  writeInt(fd, IPPROTO_TCP, TCP_KEEPIDLE, "TCP_KEEPIDLE", NUDGE_IDLE_MS / 1000);
}

/**
 * Gives a connection a keepalive whose count no probe on demand uses up, and makes it probe.
 * `own`: its options without those that are there only for a while. Returns the options that it has
 * meanwhile.
 */
export function beginProbing(
  fd: number,
  before: ConnectionOptions,
  own: ConnectionOptions = before,
): ConnectionOptions {
  const keepalive = {
    enabled: true,
    idleMs: NUDGE_IDLE_MS,
    intervalMs: own.keepalive.intervalMs,
    count: LOOSEST_COUNT,
  };
  const meanwhile = applyOptions(fd, before, { ...own, keepalive });
  // Switching keepalive on starts its timer from now. Only setting the idle time counts the silence
  // so far.
  nudgeDescriptor(fd);
  return meanwhile;
}

/**
 * Sends a keepalive probe now and waits up to `timeoutMs` (default 1000, 10 to 60000) for the
 * answer of the peer's host. Changes no protocol, needs no privilege, restores the keepalive
 * options. Resolves without an answer too: one probe may be lost.
 *
 * @throws HalfOpenError `ERR_OPTION_RANGE`, `ERR_NOT_SUPPORTED`, `ERR_NOT_CONNECTED`, as a
 * rejection
 */
export async function nudge(
  socket: unknown,
  options: { readonly timeoutMs?: number } = {},
): Promise<NudgeResult> {
  const { timeoutMs = 1000 } = options;
  if (!(timeoutMs >= 10 && timeoutMs <= 60_000)) {
    throw new HalfOpenError(
      "ERR_OPTION_RANGE",
      `timeoutMs must be a number of milliseconds from 10 to 60000, got ${String(timeoutMs)}`,
    );
  }

  const real = realSocketOf(socket);
  if (!openPort())
    throw new HalfOpenError(
      "ERR_NOT_SUPPORTED",
      `nudge() is not available here: ${whyNoPort()}; use a heartbeat`,
    );

  // Two nudges of one socket would restore each other's options, so the second one shares the
  // result of the first.
  const started = running.get(real) ?? ask(real, timeoutMs).finally(() => running.delete(real));
  running.set(real, started);
  return started;
}

async function ask(socket: object, timeoutMs: number): Promise<NudgeResult> {
  const fd = descriptorOf(socket);
  const before = readTcpInfo(socket);
  const obstacle = obstacleTo(before);
  if (obstacle)
    return { answered: false, rttMs: null, sent: false, why: obstacle, tcpInfo: before };
  const userTimeoutMs = readUserTimeout(fd);
  const silentMs = (heardAgeMs(before) ?? 0) + timeoutMs + NUDGE_IDLE_MS;
  if (userTimeoutMs !== 0 && userTimeoutMs <= silentMs) {
    // A user timeout replaces the count: a nudge could end a connection that was silent for long
    // (docs/internals/kernel.md#nudge).
    const why = `a user timeout of ${userTimeoutMs} ms is set: a probe on a silent connection could end it; nothing was sent`;
    return { answered: false, rttMs: null, sent: false, why, tcpInfo: before };
  }

  const own = ownOptions(fd);
  const startedAt = monotonicMs();
  const meanwhile = beginProbing(fd, readOptions(fd), own);
  asked.set(fd, { own, meanwhile });
  const result = await listen(socket, startedAt, timeoutMs);
  asked.delete(fd);

  const isOpen = (): boolean => isDescriptorOf(socket, fd);
  try {
    // Options that somebody else changed meanwhile stay.
    if (isOpen() && isSameOptions(readOptions(fd), meanwhile)) restoreOptions(fd, own, isOpen);
  } catch (error) {
    // The socket closed meanwhile, so there is nothing to restore.
    if (!(error instanceof HalfOpenError)) throw error;
  }
  return result;
}

function isDescriptorOf(socket: object, fd: number): boolean {
  try {
    return descriptorOf(socket) === fd;
  } catch {
    return false; // it closed
  }
}

async function listen(socket: object, startedAt: number, timeoutMs: number): Promise<NudgeResult> {
  let info = readTcpInfo(socket);
  const probes = info.probes ?? 0;
  let sent = false;

  while (monotonicMs() - startedAt < timeoutMs) {
    await sleep(LOOK_EVERY_MS);
    try {
      info = readTcpInfo(socket);
    } catch (error) {
      return {
        answered: false,
        rttMs: null,
        sent,
        why: `the connection ended meanwhile: ${(error as Error).message}`,
        tcpInfo: info,
      };
    }
    const elapsedMs = monotonicMs() - startedAt;
    sent ||= (info.probes ?? 0) > probes;

    // The peer had been silent for NUDGE_IDLE_MS, so a younger acknowledgment is an answer, even
    // when this process reads it late.
    if ((info.lastAckReceivedMs ?? Number.POSITIVE_INFINITY) < elapsedMs + NUDGE_IDLE_MS / 2) {
      const rttMs = Math.max(0, elapsedMs - (info.lastAckReceivedMs ?? 0));
      return {
        answered: true,
        rttMs,
        sent: true,
        why: `the peer's host answered after ${rttMs.toFixed(1)} ms`,
        tcpInfo: info,
      };
    }
  }

  const why = sent
    ? `no answer within ${timeoutMs} ms; the probe or its answer may have been lost`
    : "no probe was sent: the kernel's timer did not fire";
  return { answered: false, rttMs: null, sent, why, tcpInfo: info };
}

function obstacleTo(info: TcpInfo): string | null {
  const flow = flowOf(info);
  if (flow === "in-flight")
    return "data is in flight: its retransmissions serve as probes, and the kernel sends no other";
  if (flow === "blocked")
    return "the peer's window is closed: the kernel sends window probes of its own";

  const age = Math.min(
    info.lastAckReceivedMs ?? Number.POSITIVE_INFINITY,
    info.lastDataReceivedMs ?? Number.POSITIVE_INFINITY,
  );
  if (age < NUDGE_IDLE_MS)
    return `the peer was heard ${age} ms ago: the kernel probes only after 1 s of silence`;
  return null;
}
