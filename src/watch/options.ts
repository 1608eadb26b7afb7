import type { Detector } from "../core/detectors/detector.ts";
import type { SystemErrorCode } from "../core/errors.ts";

/**
 * Any function that resolves when the peer's *process* answered. Called only when nothing was
 * heard; one call at a time, but with `detectWithinMs` below 2500: then again while an answer is
 * missing, and each call must write something. It may return `undefined` instead of a promise when
 * it cannot check the process just now: only the host is judged then. Not called any more once the
 * program has ended its side of the connection.
 */
export type Heartbeat = () => PromiseLike<unknown> | unknown;

/** The heartbeat of a client. */
export interface ClientHeartbeat extends Heartbeat {
  /**
   * Returns whether the program has ended the client. Its process is then checked no more, and a
   * reset by the peer loses nothing that the program still expects.
   */
  readonly hasEnded?: () => boolean;
}

/**
 * A failure detector from `halfopen/core`, or your own, for the answers to a heartbeat.
 * `detectorConformance` of `halfopen/testing` takes the same object. With `expect: "process"` its
 * suspicion is final, so each of its mistakes is a false alarm. Leave it margin for loss, which TCP
 * turns into delays of 200 ms and more. Any byte since the call of the heartbeat refutes it, and
 * `detectWithinMs` still ends every silence.
 *
 * ```ts
 * const make = (now) => new NfdEDetector({ intervalMs: 1000, marginMs: 1500 }, now);
 * watch(socket, { heartbeat, detector: { intervalMs: 1000, make } });
 * ```
 */
export interface WatchDetector {
  /**
   * Time in ms between two calls of the heartbeat, made even while the peer is heard; 50 to
   * `detectWithinMs`. One call at a time: the next one waits until the last one has settled.
   */
  readonly intervalMs: number;
  /**
   * Makes the detector of one connection. Called once before the watch begins, to check the result,
   * and again for each connection.
   */
  make(now: number): Detector;
}

export interface WatchOptions {
  /**
   * Time in ms within which a dead peer is to be found. 2500 to 86400000; default 10000. From 300
   * with a `heartbeat` and no `detector`, on Linux: docs/when-it-fires.md#half-a-second.
   */
  readonly detectWithinMs?: number | undefined;
  /**
   * The longest outage in ms that must not end the connection; default 0.4 of `detectWithinMs`, or
   * what that leaves room for if it is below 2500. 0:
   * no outage need be survived. A longer one needs time behind it, so not every pair can be had:
   * docs/when-it-fires.md#two-numbers.
   */
  readonly surviveOutageMs?: number | undefined;
  /**
   * Checks the peer's process; see `halfopen/heartbeat` for ready ones. Default none: kernel
   * evidence only.
   */
  readonly heartbeat?: Heartbeat | undefined;
  /**
   * Judges the answers to the heartbeat, beside the budget; needs `heartbeat`. Default none: the
   * process counts as dead after `detectWithinMs` without a sign of life. See {@link
   * WatchDetector}.
   */
  readonly detector?: WatchDetector | undefined;
  /**
   * The part of the peer whose silence is death: the `"host"` (its kernel) or the `"process"`.
   * Default with a heartbeat: the process, once it has answered one on this connection. A peer that
   * ignores heartbeats is judged by its host, and the diagnosis says so. An explicit `"process"`
   * ends such a peer too. Default without a heartbeat: `"host"`.
   */
  readonly expect?: "host" | "process" | undefined;
  /**
   * Accepted rate of live peers called dead because of packet loss, for each connection and year;
   * default 0.008766, which is one in a million connection-hours. A higher rate needs fewer
   * attempts to prove death, so the verdict comes sooner:
   * docs/when-it-fires.md#the-budget-and-the-rate. 1e-9 to 1e6.
   */
  readonly falseAlarmsPerYear?: number | undefined;
  /**
   * The choice when the budget ends before death is proven at that rate. `"wait"` (default): emits
   * `overdue` and exceeds the budget. `"end"`: gives the verdict after two unanswered attempts,
   * with certainty `"medium"`.
   */
  readonly atDeadline?: "wait" | "end" | undefined;
  /**
   * The action on `dead`. `"reset"` (default): destroys the socket with a `DeadPeerError` and sends
   * an RST if the path carries it. `"destroy"`: destroys the socket, and the kernel goes on
   * retransmitting unsent data. `"report"`: only emits the event.
   */
  readonly onDead?: "reset" | "destroy" | "report" | undefined;
  /**
   * The `code` of the `DeadPeerError` that ends the socket. Default `"ERR_PEER_DEAD"`, which a
   * program can distinguish. Any code of the system's own, such as `"ECONNRESET"`: libraries that
   * retry or connect again by a list of codes do so then, because the error also has `errno`,
   * `syscall`, `address` and `port`. docs/retries.md says which library acts on which. Of two
   * watches of one socket, the one with a code of the system decides.
   */
  readonly errorCode?: "ERR_PEER_DEAD" | SystemErrorCode | undefined;
  /**
   * What comes of the `DeadPeerError` if nobody listens for it. `"throw"` (default): Node throws
   * it, as it throws the kernel's own, and the process ends. `"warn"`: a process warning
   * (`HALFOPEN_UNHEARD_ERROR`), one for each address of a peer; also where the error passed through
   * a client, or rejected a promise that nobody handles.
   */
  readonly onUnheard?: "throw" | "warn" | undefined;
  /**
   * Longest time in ms for which a live peer may keep its window closed while this process cannot
   * act; the kernel's user timeout is never set below it. 1000 to 86400000; default 60000.
   */
  readonly zeroWindowToleranceMs?: number | undefined;
  /** Aborting it ends the watch and leaves the socket as it was. */
  readonly signal?: AbortSignal | undefined;
  /** Your name for the connection, repeated in every diagnosis. */
  readonly label?: string | undefined;
}
