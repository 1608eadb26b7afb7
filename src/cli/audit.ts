import { parseArgs } from "node:util";
import { type Audit, type AuditOptions, takeAudit } from "../audit/audit.ts";
import { printable } from "../core/printable.ts";
import type { SystemPort } from "../kernel/port/port.ts";
import { AUDIT_FIELDS, type AuditField, AuditJson, auditFields } from "./audit-json.ts";
import { AUDIT_HEADER, auditLine, summaryText } from "./audit-table.ts";
import type { WatchSettings } from "./audit-watch.ts";
import { type Command, type ExitCode, UsageError } from "./command.ts";
import { CHOICE_HELP, CHOICE_OPTIONS, connectionChoice } from "./connection-choice.ts";
import { detectWithin } from "./detect-within.ts";
import { parseDuration } from "./duration.ts";
import { machinePort, whereAllowed } from "./linux-only.ts";
import { jsonText, Output } from "./output.ts";

const HELP = `Usage: halfopen audit [options]

Lists every TCP connection of this machine, the most dangerous first: how long it would take to
notice that its peer is gone (idle, and with data in flight), and its state now.
Without --nudge it sends nothing and changes nothing.

${CHOICE_HELP}  --all-namespaces         also the other network namespaces (containers); needs root
  --detect-within 10s      silence that counts as death once attempts stay unanswered, default 10s
  --nudge                  sends a keepalive probe on each quiet connection, then restores its
                           options
  --watch                  repeats on a screen; keys: d danger, h heard, p process, q quit
  --every 2s               time between two audits with --watch, default 2s
  --json                   prints JSON; with --watch one object a line, with the connections that
                           died since the line before (root)
  --fields local,remote    with --json, only these fields of each connection; they are
                           ${AUDIT_FIELDS.slice(0, 9).join(", ")},
                           ${AUDIT_FIELDS.slice(9).join(", ")}

* marks times that rest on assumed settings: the process belongs to another user or forbids access.
Run as root to read the settings.
Exit code: 0 fine, 1 a peer is dead or a connection would never notice, 2 usage,
3 not permitted or not supported.
`;

const DEFAULT_EVERY_MS = 2000;
const SHORTEST_EVERY_MS = 200;
const ENDING_SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

export const audit: Command = { help: HELP, run };

async function run(args: readonly string[]): Promise<ExitCode> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      ...CHOICE_OPTIONS,
      "all-namespaces": { type: "boolean" },
      "detect-within": { type: "string" },
      nudge: { type: "boolean" },
      watch: { type: "boolean" },
      every: { type: "string" },
      json: { type: "boolean" },
      fields: { type: "string" },
    },
  });

  if (values.namespace !== undefined && !values["all-namespaces"])
    throw new UsageError("--namespace needs --all-namespaces");
  const json = values.json ?? false;
  if (values.fields !== undefined && !json) throw new UsageError("--fields belongs to --json");
  const fields = auditFields(values.fields);
  const options: AuditOptions = {
    filter: connectionChoice(values),
    allNamespaces: values["all-namespaces"] ?? false,
    detectWithinMs: detectWithin(values["detect-within"]),
    wanted: "deciding",
  };

  const port: SystemPort = machinePort("audit");
  const everyMs = everyOf(values.every, values.watch ?? false);
  const take = async (): Promise<Audit> =>
    values.nudge ? auditAsking(port, options) : takeAudit(port, options);
  const found = await whereAllowed(() =>
    values.watch ? watchAgain(port, { everyMs, json: json ? fields : null, take }) : take(),
  );

  if (!values.watch) await (json ? printJson(found, fields) : printTable(found));
  const { dead, neverNotice } = found.summary;
  return dead > 0 || neverNotice > 0 ? 1 : 0;
}

function everyOf(text: string | undefined, isWatching: boolean): number {
  if (text === undefined) return DEFAULT_EVERY_MS;
  if (!isWatching) throw new UsageError("--every belongs to --watch");
  const everyMs = parseDuration(text, "--every");
  if (everyMs >= SHORTEST_EVERY_MS) return everyMs;
  throw new UsageError(`--every takes at least ${SHORTEST_EVERY_MS}ms, got ${text}`);
}

/** Loads the screen on demand: a single audit must not pay for it. */
async function watchAgain(port: SystemPort, settings: WatchSettings): Promise<Audit> {
  const { watchAudits } = await import("./audit-watch.ts");
  return watchAudits(port, settings);
}

/**
 * Sends probes on the quiet connections, then audits again. A signal restores their options before
 * it ends the process.
 */
async function auditAsking(port: SystemPort, options: AuditOptions): Promise<Audit> {
  const before = takeAudit(port, options);
  const { NudgeRound } = await import("../audit/nudge-round.ts");
  const round = new NudgeRound(port, options.detectWithinMs);

  const interrupted = (signal: NodeJS.Signals): void => {
    round.stop();
    process.kill(process.pid, signal); // `once` removed the handler: now the signal ends the process
  };
  for (const signal of ENDING_SIGNALS) process.once(signal, interrupted);

  const nudged = await round.ask(before.nudgeTargets());
  for (const signal of ENDING_SIGNALS) process.off(signal, interrupted);
  return takeAudit(port, { ...options, nudged });
}

async function printTable(found: Audit): Promise<void> {
  const output = new Output();
  output.add(summaryText(found.summary));
  for (const problem of found.problems) output.add(`note: ${printable(problem)}\n`);
  if (found.size > 0) output.add(`\n${AUDIT_HEADER}`);
  for (const connection of found.outlines())
    if (output.add(auditLine(connection))) await output.flush();
  await output.flush();
}

/** Prints one connection a line inside the array, so that line-based tools can read it too. */
async function printJson(found: Audit, fields: readonly AuditField[]): Promise<void> {
  const json = new AuditJson(fields);
  const output = new Output();
  output.add('{"connections":[');
  let separator = "\n";
  for (const view of found.views()) {
    if (output.add(`${separator}${json.textOf(view)}`)) await output.flush();
    separator = ",\n";
  }
  output.add(`\n],"summary":${jsonText(found.summary)},"problems":${jsonText(found.problems)}}\n`);
  await output.flush();
}
