import { setTimeout as sleep } from "node:timers/promises";
import type { Audit } from "../audit/audit.ts";
import { type Death, DeathEvents } from "../audit/death-events.ts";
import { HalfOpenError } from "../core/errors.ts";
import type { SystemPort } from "../kernel/port/port.ts";
import { type AuditField, AuditJson } from "./audit-json.ts";
import { AuditScreen } from "./audit-screen.ts";
import { jsonText, Output } from "./output.ts";

export interface WatchSettings {
  readonly everyMs: number;
  /** The fields of each connection to print as JSON; `null`: a screen. */
  readonly json: readonly AuditField[] | null;
  take(): Promise<Audit>;
}

/**
 * Repeats the audit until a key or a signal stops it, and returns the last one. Shows a screen, or
 * prints one object a line.
 */
export async function watchAudits(port: SystemPort, settings: WatchSettings): Promise<Audit> {
  const stopping = new AbortController();
  const stop = (): void => stopping.abort();
  process.once("SIGINT", stop);
  process.once("SIGTERM", stop);
  const deaths = openDeaths(port);
  const screen = settings.json ? null : new AuditScreen(stop);
  try {
    for (;;) {
      const startedAt = performance.now();
      const audit = await settings.take();
      const died = deaths?.fetch(Date.now()) ?? [];
      if (screen) screen.show(audit, died);
      else if (settings.json) await printLine(audit, died, settings.json);
      const restMs = Math.max(0, startedAt + settings.everyMs - performance.now());
      // The kernel keeps the deaths meanwhile: its buffer of 4 MB holds some 10,000 of them.
      await sleep(restMs, null, { signal: stopping.signal }).catch(() => {});
      if (stopping.signal.aborted) return audit;
    }
  } finally {
    screen?.close();
    deaths?.close();
    process.off("SIGINT", stop);
    process.off("SIGTERM", stop);
  }
}

/** Opens the kernel's events of dying connections; `null` without the privilege for them. */
function openDeaths(port: SystemPort): DeathEvents | null {
  try {
    return DeathEvents.open(port);
  } catch (error) {
    if (error instanceof HalfOpenError) return null;
    throw error;
  }
}

async function printLine(
  audit: Audit,
  died: readonly Death[],
  fields: readonly AuditField[],
): Promise<void> {
  const json = new AuditJson(fields);
  const output = new Output();
  output.add(`{"time":${Date.now()},"connections":[`);
  let separator = "";
  for (const view of audit.views()) {
    if (output.add(`${separator}${json.textOf(view)}`)) await output.flush();
    separator = ",";
  }
  output.add(
    `],"summary":${jsonText(audit.summary)},"problems":${jsonText(audit.problems)},"deaths":${jsonText(died)}}\n`,
  );
  await output.flush();
}
