import type { GuardAction, GuardEvent } from "./event.ts";

/** What a guard has in its care. */
export interface GuardCounts {
  readonly guarded: number;
  readonly inDoubt: number;
  readonly peers: number;
  readonly silentPeers: number;
  readonly isHolding: boolean;
}

/** Counts the actions of a guard since its start, for Prometheus (text format 0.0.4). */
export class GuardMetrics {
  readonly #actions: Map<GuardAction, number> = new Map(ACTIONS.map((action) => [action, 0]));

  count({ action }: GuardEvent): void {
    this.#actions.set(action, (this.#actions.get(action) ?? 0) + 1);
  }

  text(counts: GuardCounts, surveys: { readonly taken: number; readonly lastMs: number }): string {
    const actions = [...this.#actions]
      .map(([action, count]) => `halfopen_guard_actions_total{action="${action}"} ${count}\n`)
      .join("");
    return [
      `${head("halfopen_guard_actions_total", "counter", "Actions taken, actions that would have been taken, and errors.")}${actions}`,
      metric(
        "halfopen_guard_sockets",
        "gauge",
        "Guarded sockets, including listeners.",
        counts.guarded,
      ),
      metric(
        "halfopen_guard_in_doubt",
        "gauge",
        "Connections in doubt, which are checked one by one.",
        counts.inDoubt,
      ),
      metric("halfopen_guard_peers", "gauge", "Distinct peers.", counts.peers),
      metric(
        "halfopen_guard_silent_peers",
        "gauge",
        "Peers that are silent on all of their connections.",
        counts.silentPeers,
      ),
      metric(
        "halfopen_guard_holding",
        "gauge",
        "1 while the brake against mass death holds.",
        counts.isHolding ? 1 : 0,
      ),
      metric("halfopen_guard_surveys_total", "counter", "Surveys taken.", surveys.taken),
      metric(
        "halfopen_guard_survey_seconds",
        "gauge",
        "Duration of the last survey.",
        surveys.lastMs / 1000,
      ),
    ].join("");
  }
}

function metric(name: string, type: "counter" | "gauge", help: string, value: number): string {
  return `${head(name, type, help)}${name} ${value}\n`;
}

function head(name: string, type: "counter" | "gauge", help: string): string {
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`;
}

const ACTIONS: readonly GuardAction[] = [
  "set",
  "destroy",
  "hold",
  "would-set",
  "would-destroy",
  "error",
];
