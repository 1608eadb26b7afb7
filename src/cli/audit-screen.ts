import { emitKeypressEvents } from "node:readline";
import type { Audit } from "../audit/audit.ts";
import type { ConnectionOutline } from "../audit/audited-connection.ts";
import type { Death } from "../audit/death-events.ts";
import { printableData } from "../core/printable.ts";
import { AUDIT_HEADER, auditLine, summaryText } from "./audit-table.ts";
import { paint } from "./colour.ts";
import { control, print } from "./output.ts";

const LINES_AROUND = 8;
const MOST_DEATHS = 3;

type Order = "danger" | "heard" | "process";
const KEYS: Readonly<Record<string, Order>> = { d: "danger", h: "heard", p: "process" };

/**
 * Shows the audit on a screen that is redrawn each time, with single keys as in top. `close` leaves
 * the terminal as it was.
 */
export class AuditScreen {
  readonly #onQuit: () => void;
  readonly #deaths: Death[] = [];
  #order: Order = "danger";
  #audit: Audit | null = null;

  constructor(onQuit: () => void) {
    this.#onQuit = onQuit;
    control("enter");
    if (!process.stdin.isTTY) return;
    emitKeypressEvents(process.stdin);
    process.stdin.setRawMode(true);
    process.stdin.on("keypress", this.#onKey);
  }

  show(audit: Audit, deaths: readonly Death[]): void {
    this.#audit = audit;
    this.#deaths.push(...deaths);
    this.#deaths.splice(0, this.#deaths.length - MOST_DEATHS);
    this.#draw();
  }

  close(): void {
    if (process.stdin.isTTY) {
      process.stdin.off("keypress", this.#onKey);
      process.stdin.setRawMode(false);
      process.stdin.pause();
    }
    control("leave");
  }

  readonly #onKey = (_: unknown, key: { name?: string; ctrl?: boolean }): void => {
    if (key.name === "q" || key.name === "escape" || (key.ctrl && key.name === "c")) this.#onQuit();
    const order = KEYS[key.name ?? ""];
    if (!order) return;
    this.#order = order;
    this.#draw();
  };

  #draw(): void {
    if (!this.#audit) return;
    const rows = Math.max(3, (process.stdout.rows ?? 24) - LINES_AROUND - this.#deaths.length);
    const lines = firstOf(this.#audit, this.#order, rows).map((connection) =>
      auditLine(connection).slice(0, -1),
    );
    const more = this.#audit.size > rows ? `and ${this.#audit.size - rows} more\n` : "";
    const died = printableData(this.#deaths).map(({ local, remote, diagnosis }) =>
      paint("red", `died ${local} -> ${remote}: ${diagnosis.cause}, ${diagnosis.why[0] ?? ""}\n`),
    );
    const keys = paint(
      "dim",
      `order: ${this.#order}. keys: d danger, h heard, p process, q quit\n`,
    );
    control("clear");
    print(
      `${summaryText(this.#audit.summary)}${keys}\n${AUDIT_HEADER}${lines.join("\n")}\n${more}${died.join("")}`,
    );
  }
}

/**
 * Returns the first `count` connections in an order. The audit yields them by danger; any other
 * order needs all of them.
 */
function firstOf(audit: Audit, order: Order, count: number): ConnectionOutline[] {
  const found: ConnectionOutline[] = [];
  for (const connection of audit.outlines()) {
    found.push(connection);
    if (order === "danger" && found.length === count) break;
  }
  if (order === "heard") found.sort((a, b) => (b.lastHeardMs ?? -1) - (a.lastHeardMs ?? -1));
  if (order === "process")
    found.sort(
      (a, b) => (a.process ?? "~").localeCompare(b.process ?? "~") || (a.pid ?? 0) - (b.pid ?? 0),
    );
  return found.slice(0, count);
}
