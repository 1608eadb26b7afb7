import type { AuditedConnection } from "../audit/audited-connection.ts";
import { isPastHandshake, type TcpState } from "../core/tcp-info.ts";
import type { Advice } from "./advice.ts";
import { formatDuration } from "./duration.ts";
import { remedyFor } from "./remedy.ts";

/**
 * States in which the unacknowledged bytes include our FIN, which takes a sequence number as a byte
 * does.
 */
const CLOSING_STATES: ReadonlySet<TcpState> = new Set(["FIN_WAIT1", "CLOSING", "LAST_ACK"]);

/** Explains a connection in plain words. */
export function explanation(
  connection: AuditedConnection,
  advice: readonly Advice[],
  detectWithinMs: number,
): string {
  return [
    `${title(connection)}\n`,
    section("What the kernel knows", known(connection)),
    section("Its state now", verdict(connection)),
    ...remedySection(connection),
    section("If the peer vanishes without a word (cable, power, NAT)", future(connection)),
    `To notice within ${formatDuration(detectWithinMs)}\n${advice.map(adviceText).join("")}`,
    `  without changing the program: halfopen guard (as root), or start it with halfopen exec\n`,
  ].join("\n");
}

function section(name: string, lines: readonly string[]): string {
  return `${name}\n${lines.map((line) => `  ${line}\n`).join("")}`;
}

function title({ local, remote, state, process, pid, fd, namespace }: AuditedConnection): string {
  const owner =
    pid === null
      ? "held by a process that this user may not see, or by none"
      : `held by ${process ?? "?"} (pid ${pid}, descriptor ${fd})`;
  return `${local} -> ${remote}, ${state}, ${owner}${namespace === null ? "" : `, in network namespace ${namespace}`}`;
}

function remedySection({ diagnosis }: AuditedConnection): string[] {
  const lines = remedyFor(diagnosis?.cause);
  return lines.length === 0 ? [] : [section("To let it work again", lines)];
}

function known(connection: AuditedConnection): string[] {
  const { keepalive, userTimeoutMs } = connection;
  const lines = traffic(connection);
  if (keepalive) {
    const { enabled, idleMs, intervalMs, count } = keepalive;
    const times = `first probe after ${formatDuration(idleMs)} of silence, then every ${formatDuration(intervalMs)}, ${count} of them`;
    lines.push(
      enabled ? `keepalive is on: ${times}` : "keepalive is off: no probe checks a silent peer",
    );
  }
  if (userTimeoutMs !== null)
    lines.push(
      userTimeoutMs === 0 ? "no user timeout" : `user timeout ${formatDuration(userTimeoutMs)}`,
    );
  return lines;
}

function traffic({ state, lastHeardMs, unacked, sendQueueBytes }: AuditedConnection): string[] {
  if (!isPastHandshake(state)) return ["the peer was never heard: the connection is not made yet"];
  const heard =
    lastHeardMs === null
      ? "the kernel does not report when the peer was last heard"
      : `the peer was last heard ${formatDuration(lastHeardMs)} ago`;
  if (sendQueueBytes === 0)
    return [heard, "nothing is in flight: all sent data has been acknowledged"];
  const end = CLOSING_STATES.has(state)
    ? ", including the end of the connection, which counts as one byte"
    : "";
  return [
    heard,
    `${sendQueueBytes} bytes wait for the peer's acknowledgment${end}; ${unacked} segments are in flight`,
  ];
}

function verdict({ diagnosis }: AuditedConnection): string[] {
  if (!diagnosis) return ["nothing is known about this connection"];
  const { state, cause, certainty, why, unknown } = diagnosis;
  return [
    `${state}: ${cause} (certainty: ${certainty})`,
    ...why,
    ...unknown.map((it) => `not known: ${it}`),
  ];
}

function future({ noticeMs, userTimeoutMs, state }: AuditedConnection): string[] {
  const { idle, inFlight } = noticeMs;
  const lines = isWritable(state)
    ? [idleText(idle), inFlightText(inFlight)]
    : [endText(state, idle)];
  if (userTimeoutMs !== null && userTimeoutMs > 0) {
    lines.push(
      `beware: the user timeout also ends a live peer that does not read for ${formatDuration(userTimeoutMs)} (closed window)`,
    );
  }
  if (state === "CLOSE_WAIT")
    lines.push("the peer has closed already: this program must close too, the kernel never does");
  return lines;
}

/**
 * True when this end may still write, so that idle and in flight are two cases. In the other states
 * this end can do nothing more to notice.
 */
function isWritable(state: TcpState): boolean {
  return state === "ESTABLISHED" || state === "CLOSE_WAIT";
}

function idleText(ms: number | null): string {
  if (ms !== null) return `idle, it would end after ${formatDuration(ms)}`;
  return "while it is idle it would never end: nothing here notices until the program writes";
}

function inFlightText(ms: number | null): string {
  return ms === null
    ? "with data in flight it would never end"
    : `with data in flight it would end after ${formatDuration(ms)}`;
}

function endText(state: TcpState, ms: number | null): string {
  if (state === "SYN_SENT" && ms !== null)
    return `the attempt to connect ends ${formatDuration(ms)} after its first SYN`;
  return ms === null
    ? `it stays in ${state} for as long as its program holds it`
    : `it would end after ${formatDuration(ms)}`;
}

function adviceText({ program, lines, note }: Advice): string {
  const text = lines.map((line) => `    ${line}\n`).join("");
  return `  ${program}\n${text}${note === null ? "" : `    (${note})\n`}`;
}
