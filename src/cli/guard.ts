import { statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { printable } from "../core/printable.ts";
import { GuardActions } from "../guard/actions.ts";
import { requireGuardOutage, SMALLEST_GUARD_BUDGET_MS } from "../guard/budget.ts";
import { GuardEngine } from "../guard/engine.ts";
import type { GuardEvent } from "../guard/event.ts";
import { LinuxGuardWorld } from "../guard/linux-world.ts";
import { GuardLoop } from "../guard/loop.ts";
import { DEFAULT_BRAKE } from "../guard/mass-death-brake.ts";
import { GuardMemory } from "../guard/memory.ts";
import { GuardMetrics } from "../guard/metrics.ts";
import { requireAllNamespaces } from "../guard/privileges.ts";
import type { SystemPort } from "../kernel/port/port.ts";
import { notifyService } from "../kernel/process/service-notify.ts";
import { type Command, type ExitCode, UsageError } from "./command.ts";
import { CHOICE_HELP, CHOICE_OPTIONS, connectionChoice } from "./connection-choice.ts";
import { guardWithin } from "./detect-within.ts";
import { parseDuration } from "./duration.ts";
import { guardLine } from "./guard-line.ts";
import { DEFAULT_TOLERANCE_MS, type GuardRules, readGuardRules } from "./guard-rules-file.ts";
import { machinePort, whereAllowed } from "./linux-only.ts";
import { serveMetrics } from "./metrics-server.ts";
import { complain, print, rendered } from "./output.ts";
import { surviveOutage } from "./survive-outage.ts";

const HELP = `Usage: halfopen guard --rules FILE [options]
       halfopen guard --detect-within 10s [choice of connections] [options]

Keeps the matching connections of running programs inside a budget. Sets keepalive and, if the
kernel has one, a cap on backoff. Ends a connection when two verdicts agree that its peer is dead.
Without --apply it changes nothing and only says what it would do.

  --rules FILE             rules in YAML or JSON, see docs/guard.md; SIGHUP reads them again
  --detect-within 10s      one rule for all chosen connections, at least ${SMALLEST_GUARD_BUDGET_MS / 1000}s
  --survive-outage 4s      the longest outage that must not end one, default 0.4 of that time
${CHOICE_HELP}  --end-unproven           also ends connections whose peer was never seen to answer keepalive
                           probes, for example because it died before the guard started
  --all-namespaces         also the other network namespaces (containers), as they come and go;
                           needs CAP_SYS_ADMIN, CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH
  --apply                  makes the changes; other users' programs need root, or CAP_NET_ADMIN,
                           CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH
  --once                   ends after one budget: the settings stay, dead connections are ended
  --json                   prints one object a line, with the evidence
  --metrics WHERE          Prometheus text on a Unix socket (/run/halfopen.sock) or on the loopback
                           (127.0.0.1:9555)
  --memory FILE            keeps what programs had set, for the next guard; default one file for
                           each network namespace, or one for all, in /run/halfopen-guard for
                           root, else in $XDG_RUNTIME_DIR if it is set
  --every 2s               time between two surveys, default 2s; at most a fifth of the smallest
                           budget

SIGTERM and SIGINT restore what every program had set; SIGHUP restores it for connections that the
new rules no longer cover. With --once the settings stay.
Exit code: 0 fine, 1 with --once when a dead peer was found, 2 usage,
3 not permitted or not supported.
`;

const DEFAULT_EVERY_MS = 2000;
/** Time after the budget with --once: the phase of a survey, and the check that confirms. */
const ONCE_GRACE_MS = 1000;
const MICROSECONDS = 1000;

export const guard: Command = { help: HELP, run };

interface Values {
  readonly rules?: string | undefined;
  readonly "detect-within"?: string | undefined;
  readonly "survive-outage"?: string | undefined;
  readonly "end-unproven"?: boolean | undefined;
}

async function run(args: readonly string[]): Promise<ExitCode> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      ...CHOICE_OPTIONS,
      rules: { type: "string" },
      "detect-within": { type: "string" },
      "survive-outage": { type: "string" },
      "end-unproven": { type: "boolean" },
      "all-namespaces": { type: "boolean" },
      apply: { type: "boolean" },
      once: { type: "boolean" },
      json: { type: "boolean" },
      metrics: { type: "string" },
      every: { type: "string" },
      memory: { type: "string" },
    },
  });

  const allNamespaces = values["all-namespaces"] ?? false;
  const readRules = (): GuardRules => reachable(rulesOf(values), allNamespaces);
  const settings = readRules();

  const everyMs =
    values.every === undefined ? DEFAULT_EVERY_MS : parseDuration(values.every, "--every");
  if (everyMs < 100) throw new UsageError(`--every takes at least 100ms, got ${values.every}`);
  const smallestMs = Math.min(...settings.rules.map(({ detectWithinMs }) => detectWithinMs));
  const longestMs = Math.max(...settings.rules.map(({ detectWithinMs }) => detectWithinMs));
  const port = machinePort("guard");

  const metrics = new GuardMetrics();
  let dead = 0;
  const log = (event: GuardEvent): void => {
    metrics.count(event);
    if (event.action === "destroy" || event.action === "would-destroy") dead++;
    print(rendered(event, values.json ? "json-line" : (it) => `${it.time} ${guardLine(it)}\n`));
  };

  const world = new LinuxGuardWorld({ port, ending: "destroy", onProblem: warn });
  const { rules, brake, zeroWindowToleranceMs } = settings;
  const apply = values.apply ?? false;
  const memory = new GuardMemory(
    apply ? (values.memory ?? defaultStateFile(allNamespaces)) : null,
    warn,
  );
  const { holdAtMostMs } = settings.brake;
  const actions = new GuardActions({
    world,
    apply,
    zeroWindowToleranceMs,
    holdAtMostMs,
    memory,
    log,
  });

  const engine = new GuardEngine({ world, actions, brake, rules }, performance.now());

  const notify = notifier(port);
  const loop = new GuardLoop({
    port,
    world,
    engine,
    allNamespaces,
    sweepMs: Math.min(everyMs, smallestMs / 5),
    onProblem: warn,
    onSurvey: () => notify("WATCHDOG=1"),
  });

  const text = (): string =>
    metrics.text(engine.counts, { taken: loop.surveys, lastMs: loop.lastSurveyMs });
  const server = values.metrics === undefined ? null : await serveMetrics(values.metrics, text);

  const stopping = new AbortController();
  const stop = (): void => stopping.abort();
  const reload = (): void => {
    notify(`RELOADING=1\nMONOTONIC_USEC=${monotonicUs()}`);
    try {
      engine.reload(readRules().rules);
    } catch (error) {
      warn(`the old rules stay: ${(error as Error).message}`);
    }
    notify("READY=1");
  };

  process.on("SIGTERM", stop).on("SIGINT", stop).on("SIGHUP", reload);
  await whereAllowed(async () => {
    if (allNamespaces) requireAllNamespaces();
    loop.start();
  });
  if (apply) world.tryEnding();
  notify("READY=1");
  // The survey's timer keeps the event loop alive, so that a signal arrives.
  if (values.once)
    await sleep(longestMs + ONCE_GRACE_MS, undefined, { signal: stopping.signal }).catch(() => {});
  else
    await new Promise<void>((resolve) =>
      stopping.signal.addEventListener("abort", () => resolve(), { once: true }),
    );

  notify("STOPPING=1");
  await loop.stop(values.once ?? false);
  server?.close();
  process.off("SIGTERM", stop).off("SIGINT", stop).off("SIGHUP", reload);
  return values.once && dead > 0 ? 1 : 0;
}

/** Refuses rules that name namespaces the guard never sees. @throws UsageError */
function reachable(rules: GuardRules, allNamespaces: boolean): GuardRules {
  const lost = rules.rules.find(({ match }) => match.namespaces.length > 0);
  if (lost && !allNamespaces)
    throw new UsageError(
      `rule ${lost.name} chooses by network namespace: that needs --all-namespaces`,
    );
  return rules;
}

/**
 * Returns the file for what must last as long as the machine runs, one for each network namespace
 * or one for all; `null` when there is no place for it.
 */
function defaultStateFile(allNamespaces: boolean): string | null {
  const name = allNamespaces ? "all.json" : `${statSync("/proc/self/ns/net").ino}.json`;
  if (process.geteuid?.() === 0) return join("/run/halfopen-guard", name);
  const { XDG_RUNTIME_DIR: folder } = process.env;
  return folder ? join(folder, "halfopen-guard", name) : null;
}

function rulesOf(values: Values & Parameters<typeof connectionChoice>[0]): GuardRules {
  const { rules: path, "detect-within": within, "survive-outage": outage } = values;
  const { "end-unproven": endsUnproven } = values;
  const isChoosing = Object.keys(CHOICE_OPTIONS).some(
    (key) => values[key as keyof typeof CHOICE_OPTIONS] !== undefined,
  );
  if (path !== undefined) {
    if (within !== undefined || outage !== undefined || endsUnproven !== undefined || isChoosing)
      throw new UsageError(
        "--rules already says which connections and how soon; leave out --detect-within, --survive-outage, --end-unproven and the choice of connections",
      );
    return readGuardRules(path);
  }

  if (within === undefined) throw new UsageError("guard needs --rules FILE or --detect-within 10s");
  const detectWithinMs = guardWithin(within);
  const surviveOutageMs = surviveOutage(outage);
  requireGuardOutage(detectWithinMs, surviveOutageMs);
  const ends = { endsDead: true, endsUnproven: endsUnproven ?? false };
  const rule = {
    name: "command line",
    match: connectionChoice(values),
    detectWithinMs,
    surviveOutageMs,
    ...ends,
    includesListeners: true,
    includesLoopback: false,
  };
  return { rules: [rule], brake: DEFAULT_BRAKE, zeroWindowToleranceMs: DEFAULT_TOLERANCE_MS };
}

/**
 * Returns a function that reports a state to systemd (Type=notify), or does nothing without
 * systemd.
 */
function notifier(port: SystemPort): (state: string) => void {
  const path = process.env.NOTIFY_SOCKET;
  if (path === undefined || path === "") return () => {};
  return (state) => void notifyService(port, path, state);
}

/** Returns CLOCK_MONOTONIC in µs, which sd_notify(3) requires for a reload. */
function monotonicUs(): number {
  return Number(process.hrtime.bigint() / BigInt(MICROSECONDS));
}

function warn(text: string): void {
  complain(`halfopen guard: ${printable(text)}\n`);
}
