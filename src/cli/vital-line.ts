import type { Diagnosis } from "../core/diagnosis.ts";
import type { WatchEvent } from "../watch/subscribers.ts";
import { paint } from "./colour.ts";
import { formatDuration } from "./duration.ts";

/** `vitals`: the periodic line while nothing happens. */
export type VitalEvent = "vitals" | WatchEvent;

const COLOURS = { alive: "green", suspect: "yellow", dead: "red" } as const;

/**
 * Formats the state of a watched connection as a line for people. Leaves out values that the system
 * does not report.
 */
export function vitalLine(
  time: string,
  event: VitalEvent,
  rttMs: number | null,
  diagnosis: Diagnosis,
): string {
  const { state, cause, certainty, why, silentForMs, evidence } = diagnosis;
  const clock = paint("dim", time.slice(11, 23));
  const verdict = paint(COLOURS[state], state.padEnd(7));
  if (event !== "vitals")
    return `${clock} ${verdict} ${event === "close" ? "closed: " : ""}${cause}, ${certainty}: ${why.join("; ")}`;
  const { unackedSegments, notSentBytes, totalRetransmits, probes } = evidence.tcpInfo ?? {};
  const signs = [
    silentForMs === null ? null : `heard ${formatDuration(silentForMs)} ago`,
    rttMs === null ? null : `rtt ${rttMs < 10 ? rttMs.toFixed(2) : Math.round(rttMs)} ms`,
    unackedSegments === undefined ? null : `in flight ${unackedSegments}`,
    notSentBytes ? `unsent ${notSentBytes} B` : null,
    totalRetransmits === undefined ? null : `sent again ${totalRetransmits}`,
    probes ? `unanswered probes ${probes}` : null,
  ];
  return `${clock} ${verdict} ${signs.filter((sign) => sign !== null).join("  ")}  ${cause}`;
}
