import type { AuditSummary, ConnectionOutline } from "../audit/audited-connection.ts";
import type { Cause } from "../core/diagnosis.ts";
import { printable } from "../core/printable.ts";
import { isPastHandshake } from "../core/tcp-info.ts";
import { paint } from "./colour.ts";
import { formatDuration } from "./duration.ts";

/** Returns the line of one connection. */
export function auditLine(connection: ConnectionOutline): string {
  let line = "";
  for (const { width, text } of COLUMNS) line += `${text(connection).padEnd(width)}  `;
  line += verdictText(connection);
  if (connection.namespace !== null) line += ` (${printable(connection.namespace)})`;
  const style = styleOf(connection);
  return style === null ? `${line}\n` : `${paint(style, line)}\n`;
}

/** Returns the most important findings, in at most two lines. */
export function summaryText(summary: AuditSummary): string {
  const { connections, neverNotice, dead, suspect, neverClosed, assumed } = summary;
  if (connections === 0) return "no connection matches\n";
  const would = `${neverNotice} of ${connections} connections would never notice that an idle peer is gone`;
  const parts = [
    dead > 0 ? paint("red", `${dead} half-open now (dead peer)`) : null,
    suspect > 0 ? paint("yellow", `${suspect} suspect`) : null,
    neverClosed > 0 ? paint("yellow", `${neverClosed} never closed (CLOSE_WAIT, FIN_WAIT2)`) : null,
    assumed > 0 ? `${assumed} with assumed settings (*)` : null,
  ].filter((part) => part !== null);
  return `${neverNotice > 0 ? paint("yellow", would) : would}${parts.length > 0 ? `\n${parts.join(", ")}` : ""}\n`;
}

/** A column of fixed width, so that 100,000 rows can be written as they come. */
interface Column {
  readonly title: string;
  readonly width: number;
  text(connection: ConnectionOutline): string;
}

/** 100,000 connections show the same few hundred durations, so their texts are kept. */
const MOST_REMEMBERED = 4096;
const durations = new Map<number, string>();

const STATE_WIDTH = "ESTABLISHED".length;
const IPV4_WIDTH = "255.255.255.255:65535".length;
const DURATION_WIDTH = "15 min 38 s".length;

const WORDS: Readonly<Record<Cause, string>> = {
  healthy: "alive",
  quiet: "quiet",
  connecting: "connecting, no answer so far",
  "path-silent": "path silent",
  "peer-reset": "peer reset",
  "peer-hung": "peer hung",
  "peer-not-reading": "alive, peer does not read",
  "one-way-loss": "one-way loss",
  "mtu-black-hole": "large segments lost",
  unreachable: "unreachable",
  "local-link-down": "our link is down",
  "local-send-failure": "nothing leaves this host",
  "lossy-path": "alive, lossy path",
  "closed-by-peer": "closed by peer",
  "closed-locally": "closed here",
  "never-closed": "never closed",
  "local-stall": "local stall",
};

const COLUMNS: readonly Column[] = [
  { title: "process", width: 22, text: processText },
  { title: "local", width: IPV4_WIDTH, text: ({ local }) => local },
  { title: "peer", width: IPV4_WIDTH, text: ({ remote }) => remote },
  { title: "state", width: STATE_WIDTH, text: ({ state }) => state },
  { title: "heard", width: DURATION_WIDTH, text: heardText },
  { title: "unacked", width: 7, text: ({ unacked }) => (unacked === 0 ? "-" : String(unacked)) },
  {
    title: "notices idle",
    width: DURATION_WIDTH + 1,
    text: (it) => noticeText(it.noticeMs.idle, it),
  },
  {
    title: "in flight",
    width: DURATION_WIDTH + 1,
    text: (it) => noticeText(it.noticeMs.inFlight, it),
  },
];

export const AUDIT_HEADER: string = `${COLUMNS.map(({ title, width }) => title.padEnd(width)).join("  ")}  now\n`;

function processText({ process, pid, userId }: ConnectionOutline): string {
  if (pid === null) return `- (uid ${userId})`;
  return `${printable(process ?? "?")} ${pid}`;
}

function heardText({ lastHeardMs, state }: ConnectionOutline): string {
  if (lastHeardMs !== null) return durationText(lastHeardMs);
  return isPastHandshake(state) ? "?" : "never";
}

/** Marks a time that rests on assumed settings with an asterisk. */
function noticeText(ms: number | null, { settingsFrom }: ConnectionOutline): string {
  const text = ms === null ? formatDuration(null) : durationText(Math.round(ms / 10) * 10);
  return settingsFrom === "assumed" ? `${text}*` : text;
}

function durationText(ms: number): string {
  let text = durations.get(ms);
  if (text === undefined) {
    if (durations.size >= MOST_REMEMBERED) durations.clear();
    text = formatDuration(ms);
    durations.set(ms, text);
  }
  return text;
}

function verdictText({ diagnosis }: ConnectionOutline): string {
  if (!diagnosis) return "?";
  const { state, cause } = diagnosis;
  return state === "alive" ? WORDS[cause] : `${state.toUpperCase()}: ${WORDS[cause]}`;
}

function styleOf({ diagnosis, noticeMs }: ConnectionOutline): "red" | "yellow" | null {
  if (diagnosis?.state === "dead") return "red";
  return diagnosis?.state === "suspect" ||
    diagnosis?.cause === "never-closed" ||
    noticeMs.idle === null
    ? "yellow"
    : null;
}
