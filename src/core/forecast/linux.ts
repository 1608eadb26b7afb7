import type { DetectionTime, Timers } from "./prediction.ts";
import { timerLatenessMs } from "./timer-lateness.ts";

// Linux's own timers (net/ipv4/tcp_timer.c). Every rule was measured on 6.18. The measured figures
// stand beside the rule.

/**
 * The timeout with which the kernel models its patience, whatever the connection's own timeout is
 * (TCP_RTO_MIN).
 */
const MODEL_RTO_MS = 200;
/**
 * The delay before a tail loss probe, on top of two round trips, with one segment in flight. With
 * more segments the delay is two ticks (tcp_output.c).
 */
const LONE_SEGMENT_DELAY_MS = 200;
const FIRST_SYN_RTO_MS = 1000;

/**
 * Foretells when an idle connection notices that the peer is gone; `null` for never.
 *
 * The keepalive clock starts at the last segment heard. A healthy idle connection hears an answer
 * every max(idle, interval), so the peer dies somewhere in between. With a user timeout, Linux
 * ignores the count.
 *
 * Measured, for idle / interval / count: 2/1/3 found 5.06 s after the last segment, 2/3/2 after
 * 8.10 to 8.29 s. 2/1/3 with a user timeout of 4.5 s found after 5.06 s, with 9 s after 9.15 s.
 */
export function idleLinux({ keepalive, userTimeoutMs }: Timers): DetectionTime | null {
  if (!keepalive) return null;
  const { idleMs, intervalMs, count } = keepalive;

  // The first probe leaves after the idle time. After an answer the timer waits for an interval,
  // so an interval longer than the idle time makes the routine longer
  const phases = [idleMs, Math.max(idleMs, intervalMs)].map((routineMs) => {
    const probes = (timeoutMs: number): number =>
      userTimeoutMs > 0 ? Math.max(1, Math.ceil((timeoutMs - routineMs) / intervalMs)) : count;
    const unanswered = probes(userTimeoutMs);
    const lateMs = timerLatenessMs(routineMs) + unanswered * timerLatenessMs(intervalMs);
    // A late tick may already be the first beyond the user timeout
    return {
      routineMs,
      soonestMs: probes(userTimeoutMs - lateMs) * intervalMs,
      probingMs: unanswered * intervalMs,
      lateMs,
    };
  });

  const [, steady] = phases as [unknown, { routineMs: number; probingMs: number }];
  const by =
    userTimeoutMs > 0
      ? `keepalive: the first probe tick after the user timeout (the count of ${count} is ignored where one is set)`
      : `keepalive: ${count} probes unanswered`;

  return {
    bestMs: Math.min(...phases.map(({ soonestMs }) => soonestMs)),
    typicalMs: steady.routineMs / 2 + steady.probingMs,
    worstMs: Math.max(
      ...phases.map(({ routineMs, probingMs, lateMs }) => routineMs + probingMs + lateMs),
    ),
    by,
  };
}

/**
 * Foretells when a connection with data in flight notices that the peer is gone. Keepalive does not
 * run.
 *
 * With a user timeout: at the user timeout, counted from the first retransmission. Measured: 3 s
 * found after 3.41 s, 0.5 s after 0.91 s.
 *
 * Without: at the first retransmission timeout later than the kernel's patience. Measured:
 * tcp_retries2 15 found after 937.8 s, 6 after 26.5 to 26.8 s; with a cap of 1 s, 6 after 6.79 s
 * and 4 after 4.75 s.
 */
export function inFlightLinux(timers: Timers): DetectionTime {
  const { rttMs, rtoMs, rtoMaxMs, userTimeoutMs, system } = timers;
  const firstMs = { best: rtoMs, typical: 2 * rttMs + LONE_SEGMENT_DELAY_MS + rtoMs };

  if (userTimeoutMs > 0) {
    return {
      // The kernel cuts the timeouts in between short, so that one falls on the user timeout. The
      // last timeout is at most half of the user timeout
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
 * Returns for how long the kernel retransmits data that nobody acknowledges (tcp_model_timeout). 15
 * retries give 924.6 s.
 */
export function patienceLinux(retries: number, rtoMaxMs: number): number {
  return sumOfTimeouts(MODEL_RTO_MS, retries, rtoMaxMs);
}

function sumOfTimeouts(firstMs: number, retries: number, rtoMaxMs: number): number {
  let sum = 0;
  for (let i = 0; i <= retries; i++) sum += Math.min(firstMs * 2 ** i, rtoMaxMs);
  return sum;
}

/** Timeouts in a row: the time that they take, and the most by which they may be late in all. */
interface Chain {
  readonly totalMs: number;
  readonly lateMs: number;
}

/**
 * Returns the timeouts that outlast the patience, when each timeout is late by `lateShare` of its
 * largest lateness. Lateness uses up patience too.
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
 * Foretells when a connection behind a closed window notices that the peer is gone.
 *
 * The kernel probes a closed window with a backoff that answers never reset, and allows as many
 * unanswered probes as retransmissions. Soon after the closing that takes as long as with data in
 * flight; long after, each probe takes up to the cap. A user timeout counts from the closing, even
 * if the peer is alive.
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
  const by = `tcp_retries2 = ${system.retries2}: ${probes} unanswered window probes, each up to ${rtoMaxMs / 1000} s after the previous one`;
  return { bestMs, typicalMs: (bestMs + probes * rtoMaxMs) / 2, worstMs, by };
}

/**
 * Foretells when connect() gives up an address that does not answer.
 *
 * Since Linux 6.5 the first SYNs, tcp_syn_linear_timeouts of them, are one second apart. Then each
 * gap is twice the gap before. The default takes 131 s, and took 127 s before 6.5. The kernel stops
 * at the count, or at the first timeout after its patience, which knows nothing of the linear
 * SYNs. Measured: 1 retry 3.08 s, 2 7.14 s, 3 19.5 s, 4 35.6 s; 2 with a cap of 1 s 3.06 s.
 *
 * A user timeout counts from the first SYN, but the kernel checks it from the second timer on.
 * Measured: 300 ms found after 1.05 s, 2.5 s after 2.53 s, 20 s after 20.02 s.
 */
export function connectingLinux({ userTimeoutMs, rtoMaxMs, system }: Timers): DetectionTime {
  const { synRetries, synLinearTimeouts } = system;
  const patienceMs = sumOfTimeouts(FIRST_SYN_RTO_MS, synRetries, rtoMaxMs);
  let [totalMs, lateMs] = [0, 0];
  for (let i = 0; i <= synRetries + synLinearTimeouts; i++) {
    // Before the first retransmission the kernel does not check its patience
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
 * Returns for how long connect() has tried, in ms, after `repeats` retransmissions of the SYN and
 * with `timerMs` left on its timer.
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

/** Returns the gap between SYN number `i`, counted from 0, and the next. */
function synGapMs(i: number, synLinearTimeouts: number, rtoMaxMs: number): number {
  return Math.min(FIRST_SYN_RTO_MS * 2 ** Math.max(0, i - synLinearTimeouts), rtoMaxMs);
}
