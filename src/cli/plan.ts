import { parseArgs } from "node:util";
import type { LossLaw } from "../core/detectors/loss-law.ts";
import { plan as choose } from "../core/forecast/plan.ts";
import type {
  Plan,
  PlannedWatch,
  PlatformPlan,
  Requirement,
} from "../core/forecast/requirement.ts";
import { type Command, type ExitCode, UsageError } from "./command.ts";
import { formatDuration, parseDuration } from "./duration.ts";
import { parseNumber, parseShare } from "./numbers.ts";
import { print, rendered } from "./output.ts";
import { detectionCells, warningLines } from "./prediction-text.ts";
import { textTable } from "./text-table.ts";

const HELP = `Usage: halfopen plan --detect-within 10s [options]

Chooses settings that find a dead peer in time and give up no more live peers than allowed, or says
what forbids it.

  --detect-within 10s          the longest time until a dead peer is found
  --survive-outage 4s          the longest outage that must not end a connection, default none
  --loss 1%                    packets lost each way, default 1%
  --bursts 500ms,2%            losses in bursts instead: their mean length and share of the time
  --rtt 40ms, --jitter 5ms     the path, default 1 ms and none
  --connections 1000           connections that share the promise, default 1
  --false-alarms-per-year 1    false alarms allowed, default 1
  --platform linux             linux, darwin, freebsd or win32; the others are shown too
  --json                       prints JSON

Exit code: 0 possible, 1 impossible, 2 usage.
`;

export const plan: Command = { help: HELP, run };

async function run(args: readonly string[]): Promise<ExitCode> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      "detect-within": { type: "string" },
      "survive-outage": { type: "string" },
      loss: { type: "string" },
      bursts: { type: "string" },
      rtt: { type: "string" },
      jitter: { type: "string" },
      connections: { type: "string" },
      "false-alarms-per-year": { type: "string" },
      platform: { type: "string" },
      json: { type: "boolean" },
    },
  });
  const {
    "detect-within": within,
    "survive-outage": outage,
    loss,
    bursts,
    rtt,
    jitter,
    connections,
    platform,
    "false-alarms-per-year": alarms,
  } = values;

  if (within === undefined)
    throw new UsageError("plan needs --detect-within, for example --detect-within 10s");
  if (loss !== undefined && bursts !== undefined)
    throw new UsageError("--loss and --bursts contradict each other; give one");

  const chosen = choose({
    detectWithinMs: parseDuration(within, "--detect-within"),
    ...(outage === undefined ? {} : { surviveOutageMs: parseDuration(outage, "--survive-outage") }),
    ...(loss === undefined ? {} : { loss: parseShare(loss, "--loss") }),
    ...(bursts === undefined ? {} : { loss: parseBursts(bursts) }),
    ...(rtt === undefined ? {} : { rttMs: parseDuration(rtt, "--rtt") }),
    ...(jitter === undefined ? {} : { jitterMs: parseDuration(jitter, "--jitter") }),
    ...(connections === undefined
      ? {}
      : { connections: parseNumber(connections, "--connections", 1, 1e9) }),
    ...(alarms === undefined
      ? {}
      : { falseAlarmsPerYear: parseNumber(alarms, "--false-alarms-per-year", 1e-12, 1e12) }),
    ...(platform === undefined
      ? {}
      : { platform: platform as NonNullable<Requirement["platform"]> }),
  });

  print(rendered(chosen, values.json ? "json" : planText));
  return chosen.feasible ? 0 : 1;
}

function parseBursts(text: string): LossLaw {
  const [length, share, ...rest] = text.split(",");
  if (length === undefined || share === undefined || rest.length > 0)
    throw new UsageError(
      `--bursts takes a mean length and a share of the time (500ms,2%), got ${JSON.stringify(text)}`,
    );
  return {
    meanBurstMs: parseDuration(length, "--bursts, length,"),
    burstShare: parseShare(share, "--bursts, share,"),
  };
}

function planText(it: Plan): string {
  const { keepalive, userTimeoutMs, heartbeat, predicted, watch } = it;
  const own = watch ? watchText(watch) : "";
  if (!keepalive) {
    const nearest =
      it.nearestDetectWithinMs === null
        ? ""
        : `Nearest possible: --detect-within ${Math.ceil(it.nearestDetectWithinMs)}ms\n`;
    return `Impossible with the kernel's keepalive: ${it.forbiddenBy}\n${nearest}${own}`;
  }

  const settings = [
    `keepalive idle ${keepalive.idleMs / 1000} s, interval ${keepalive.intervalMs / 1000} s, count ${keepalive.count}\n`,
    userTimeoutMs === null ? "" : `user timeout ${userTimeoutMs} ms\n`,
    heartbeat
      ? `heartbeat every ${heartbeat.intervalMs} ms, given up after ${heartbeat.timeoutMs} ms\n`
      : "",
  ];

  const detection = [
    ["when the peer goes", "noticed after", "from best to worst", "by"],
    ["idle", ...detectionCells(predicted.detection.idle)],
    ["data in flight", ...detectionCells(predicted.detection.inFlight)],
  ];

  const cost = `${count(predicted.falseAlarmsPerYear)} false alarms a year, ${count(predicted.packetsPerSecond)} packets and ${count(predicted.bytesPerSecond)} bytes a second while idle\n`;
  const platforms = Object.entries(it.perPlatform).map(([name, one]) => [
    name,
    ...platformCells(one),
  ]);
  const table = textTable([
    ["platform", "keepalive", "user timeout", "idle, at worst"],
    ...platforms,
  ]);
  return `${settings.join("")}\n${textTable(detection)}${cost}\n${table}\n${warningLines(it.warnings)}${own}`;
}

function watchText({ heartbeat, ...times }: PlannedWatch): string {
  const options = Object.entries(times).map(([name, ms]) => `${name}: ${ms}`);
  if (!heartbeat) return `With halfopen: watch(socket, { ${options.join(", ")} })\n`;
  const { afterMs, packetsPerSecond, bytesPerSecond, processorShare } = heartbeat;
  return `With halfopen and a heartbeat: watch(socket, { ${options.join(", ")}, heartbeat })
  one leaves after ${afterMs} ms of silence: up to ${Math.round(packetsPerSecond)} packets and ${Math.round(bytesPerSecond)} bytes a second, and ${count(100 * processorShare)} % of a processor
`;
}

function platformCells({ keepalive, userTimeoutMs, idle }: PlatformPlan): string[] {
  if (!keepalive) return ["impossible", "", ""];
  const timers = `${keepalive.idleMs / 1000} s, ${keepalive.intervalMs / 1000} s, ${keepalive.count}`;
  return [
    timers,
    userTimeoutMs === null ? "none" : `${userTimeoutMs} ms`,
    formatDuration(idle?.worstMs ?? null),
  ];
}

function count(value: number | null): string {
  return value === null ? "unknown" : value === 0 ? "0" : value.toPrecision(2);
}
