import type { DetectionTime, Timers } from "./prediction.ts";
import { timerLatenessMs } from "./timer-lateness.ts";

/**
 * Linux's own timers (net/ipv4/tcp_timer.c). Every rule was measured on 6.18; the figures that a
 * rule was checked against stand with it.
 */

/**
 * The kernel models its patience with this timeout, whatever the connection's own (TCP_RTO_MIN).
 */
const MODEL_RTO_MS = 200;
/**
 * The delay before a tail loss probe beside two round trips: this where one segment is in flight,
 * two ticks where more are (tcp_output.c).
 */
const LONE_SEGMENT_DELAY_MS = 200;
const FIRST_SYN_RTO_MS = 1000;

/**
 * The keepalive clock starts at the last segment heard; a healthy idle connection hears an answer
 * every max(idle, interval), so the peer dies somewhere in between. Measured: 2/1/3 found 5.06 s
 * after the last segment, 2/3/2 8.10 to 8.29 s; with a user timeout the count is ignored: 2/1/3 and
 * 4.5 s found after 5.06 s, 9 s after 9.15 s.
 */
export function idleLinux({ keepalive, userTimeoutMs }: Timers): DetectionTime | null {
  if (!keepalive) return null;
  const { idleMs, intervalMs, count } = keepalive;
  // The first probe leaves after the idle time; after an answer the timer waits an interval, so
  // where that is longer the routine is too.
  const phases = [idleMs, Math.max(idleMs, intervalMs)].map((routineMs) => {
    const probes = (timeoutMs: number): number =>
      userTimeoutMs > 0 ? Math.max(1, Math.ceil((timeoutMs - routineMs) / intervalMs)) : count;
    const unanswered = probes(userTimeoutMs);
    const lateMs = timerLatenessMs(routineMs) + unanswered * timerLatenessMs(intervalMs);
    // A tick that is late may already be one beyond the user timeout.
    return {
      routineMs,
      soonestMs: probes(userTimeoutMs - lateMs) * intervalMs,
      questioningMs: unanswered * intervalMs,
      lateMs,
    };
  });
  const [, steady] = phases as [unknown, { routineMs: number; questioningMs: number }];
  const by =
    userTimeoutMs > 0
      ? `keepalive: the first probe tick after the user timeout (the count of ${count} is ignored where one is set)`
      : `keepalive: ${count} probes unanswered`;
  return {
    bestMs: Math.min(...phases.map(({ soonestMs }) => soonestMs)),
    typicalMs: steady.routineMs / 2 + steady.questioningMs,
    worstMs: Math.max(
      ...phases.map(({ routineMs, questioningMs, lateMs }) => routineMs + questioningMs + lateMs),
    ),
    by,
  };
}

/**
 * With a user timeout: that long after the first retransmission (3 s found after 3.41 s, 0.5 s
 * after 0.91 s). Without: the first retransmission timeout later than the kernel's patience
 * (tcp_retries2 15 found after 937.8 s, 6 after 26.5 to 26.8 s; 6 with a cap of 1 s after 6.79 s, 4
 * after 4.75 s). Keepalive does not run.
 */
export function inFlightLinux(timers: Timers): DetectionTime {
  const { rttMs, rtoMs, rtoMaxMs, userTimeoutMs, system } = timers;
  const firstMs = { best: rtoMs, typical: 2 * rttMs + LONE_SEGMENT_DELAY_MS + rtoMs };
  if (userTimeoutMs > 0) {
    return {
      // The timeouts in between are cut short so that one falls on the user timeout; the last one
      // is at most half of it.
      bestMs: firstMs.best + userTimeoutMs,
      typicalMs: firstMs.typical + userTimeoutMs,
      worstMs:
        firstMs.typical +
        timerLatenessMs(firstMs.typical) +
        userTimeoutMs +
        timerLatenessMs(userTimeoutMs),
      by: "user timeout, counted from the first retransmission",
    };
  }
  const patienceMs = patienceLinux(system.retries2, rtoMaxMs);
  const [best, typical, worst] = [1, 0.5, 0].map((lateShare) =>
    chainBeyond(patienceMs, rtoMs, rtoMaxMs, lateShare),
  ) as [Chain, Chain, Chain];
  const by = `tcp_retries2 = ${system.retries2}: the first retransmission timeout after ${Math.round(patienceMs / 100) / 10} s${
    timers.keepalive ? "; keepalive does not run while data is in flight" : ""
  }`;
  return {
    bestMs: firstMs.best + best.totalMs,
    typicalMs: firstMs.typical + typical.totalMs + 0.5 * typical.lateMs,
    worstMs: firstMs.typical + timerLatenessMs(firstMs.typical) + worst.totalMs + worst.lateMs,
    by,
  };
}

/**
 * tcp_model_timeout: how long the kernel retransmits data nobody acknowledges. 15 gives 924.6 s.
 */
export function patienceLinux(retries: number, rtoMaxMs: number): number {
  return sumOfTimeouts(MODEL_RTO_MS, retries, rtoMaxMs);
}

function sumOfTimeouts(firstMs: number, retries: number, rtoMaxMs: number): number {
  let sum = 0;
  for (let i = 0; i <= retries; i++) sum += Math.min(firstMs * 2 ** i, rtoMaxMs);
  return sum;
}

/** Timeouts in a row: how long they take, and how late they may come together at most. */
interface Chain {
  readonly totalMs: number;
  readonly lateMs: number;
}

/**
 * The timeouts that it takes to outlast the patience when each is late by this share of what it can
 * be: lateness counts towards it.
 */
function chainBeyond(
  patienceMs: number,
  rtoMs: number,
  rtoMaxMs: number,
  lateShare: number,
): Chain {
  let [totalMs, lateMs] = [0, 0];
  for (let i = 1; totalMs + lateShare * lateMs < patienceMs; i++) {
    const gapMs = Math.min(rtoMs * 2 ** i, rtoMaxMs);
    totalMs += gapMs;
    lateMs += timerLatenessMs(gapMs);
  }
  return { totalMs, lateMs };
}

/**
 * The kernel probes a closed window with a backoff that its answers never reset, and counts as many
 * unanswered probes as retransmissions: soon after closing like data in flight, long after up to
 * the cap for each. A user timeout counts from when the window closed, whoever is to blame.
 */
export function zeroWindowDeadLinux({
  userTimeoutMs,
  rtoMs,
  rtoMaxMs,
  limitsClosedWindow,
  system,
}: Timers): DetectionTime {
  if (userTimeoutMs > 0 && limitsClosedWindow) {
    const worstMs = userTimeoutMs + rtoMs + timerLatenessMs(userTimeoutMs);
    return {
      bestMs: 0,
      typicalMs: worstMs / 2,
      worstMs,
      by: "user timeout, counted from when the window closed",
    };
  }
  const probes = system.retries2 + 1;
  const bestMs = patienceLinux(system.retries2, rtoMaxMs);
  const worstMs = probes * (rtoMaxMs + timerLatenessMs(rtoMaxMs));
  const by = `tcp_retries2 = ${system.retries2}: ${probes} unanswered window probes, each up to ${rtoMaxMs / 1000} s after the one before`;
  return { bestMs, typicalMs: (bestMs + probes * rtoMaxMs) / 2, worstMs, by };
}

/**
 * SYNs one second apart as often as tcp_syn_linear_timeouts says (Linux 6.5), then twice as far
 * each (127 s before, 131 s since). The kernel stops at the count, or at the first timeout after
 * its patience, which knows nothing of the linear ones: measured 1 retry
 * 3.08 s, 2 7.14 s, 3 19.5 s, 4 35.6 s, and 2 with a cap of 1 s 3.06 s. A user timeout counts from
 * the first SYN, but is looked at from the second timer on: 300 ms found after 1.05 s, 2.5 s after
 * 2.53 s, 20 s after 20.02 s.
 */
export function connectingLinux({ userTimeoutMs, rtoMaxMs, system }: Timers): DetectionTime {
  const { synRetries, synLinearTimeouts } = system;
  const patienceMs = sumOfTimeouts(FIRST_SYN_RTO_MS, synRetries, rtoMaxMs);
  let [totalMs, lateMs] = [0, 0];
  for (let i = 0; i <= synRetries + synLinearTimeouts; i++) {
    // Without a retransmission the kernel does not look at its patience.
    if (i > 1 && totalMs >= patienceMs) break;
    const gapMs = synGapMs(i, synLinearTimeouts, rtoMaxMs);
    totalMs += gapMs;
    lateMs += timerLatenessMs(gapMs);
  }
  const limitMs = Math.max(FIRST_SYN_RTO_MS, userTimeoutMs);
  if (userTimeoutMs > 0 && limitMs < totalMs) {
    const worstMs = limitMs + timerLatenessMs(FIRST_SYN_RTO_MS) + timerLatenessMs(limitMs);
    return {
      bestMs: limitMs,
      typicalMs: limitMs,
      worstMs,
      by: "user timeout, counted from the first SYN",
    };
  }
  return {
    bestMs: totalMs,
    typicalMs: totalMs,
    worstMs: totalMs + lateMs,
    by: `tcp_syn_retries = ${synRetries}`,
  };
}

/**
 * For how long an attempt to connect has lasted, in ms: the SYN was repeated `repeats` times, and
 * its timer fires in `timerMs`.
 */
export function connectingForMs(
  repeats: number,
  timerMs: number,
  { synLinearTimeouts, rtoMaxMs }: SynTimers,
): number {
  let totalMs = -timerMs;
  for (let i = 0; i <= repeats; i++) totalMs += synGapMs(i, synLinearTimeouts, rtoMaxMs);
  return Math.max(0, totalMs);
}

type SynTimers = Pick<Timers["system"], "synLinearTimeouts" | "rtoMaxMs">;

/** From a SYN to the next; the first is number 0. */
function synGapMs(i: number, synLinearTimeouts: number, rtoMaxMs: number): number {
  return Math.min(FIRST_SYN_RTO_MS * 2 ** Math.max(0, i - synLinearTimeouts), rtoMaxMs);
}
