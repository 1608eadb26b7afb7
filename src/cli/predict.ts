import { parseArgs } from "node:util";
import { predict as foretell } from "../core/forecast/predict.ts";
import type { Platform, Prediction, PredictSettings } from "../core/forecast/prediction.ts";
import { type Command, type ExitCode, UsageError } from "./command.ts";
import { formatDuration, parseDuration } from "./duration.ts";
import { parseNumber } from "./numbers.ts";
import { print, rendered } from "./output.ts";
import { detectionCells, warningLines } from "./prediction-text.ts";
import { textTable } from "./text-table.ts";

const HELP = `Usage: halfopen predict [options]

Predicts how long given settings take to notice that a peer is gone, and which timer decides.
Sends nothing and changes nothing.

  --keepalive 2s,1s,3      idle, interval, count; "system" for the system's defaults; default off
  --user-timeout 5s        TCP_USER_TIMEOUT or its like on other systems
  --rto-max 1s             TCP_RTO_MAX_MS, Linux 6.15 and later
  --heartbeat 5s,3s        a ping every 5 s, given up when one stays unanswered for 3 s
  --rtt 40ms, --jitter 5ms the path, default 1 ms and none
  --retries2 15            tcp_retries2
  --platform linux         linux, darwin, freebsd or win32
  --kernel 5.15            Linux release, default 6.18
  --json                   prints JSON

Exit code: 0 a dead peer is noticed, 1 it would never be noticed, 2 usage.
`;

export const predict: Command = { help: HELP, run };

async function run(args: readonly string[]): Promise<ExitCode> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      keepalive: { type: "string" },
      "user-timeout": { type: "string" },
      "rto-max": { type: "string" },
      heartbeat: { type: "string" },
      rtt: { type: "string" },
      jitter: { type: "string" },
      retries2: { type: "string" },
      platform: { type: "string" },
      kernel: { type: "string" },
      json: { type: "boolean" },
    },
  });

  const duration = (name: "user-timeout" | "rto-max" | "rtt" | "jitter"): number | undefined => {
    const text = values[name];
    return text === undefined ? undefined : parseDuration(text, `--${name}`);
  };

  const settings = withoutGaps({
    platform: values.platform as Platform | undefined,
    kernel: values.kernel,
    keepalive: values.keepalive === undefined ? undefined : parseKeepalive(values.keepalive),
    userTimeoutMs: duration("user-timeout"),
    rtoMaxMs: duration("rto-max"),
    heartbeat: values.heartbeat === undefined ? undefined : parseHeartbeat(values.heartbeat),
    rttMs: duration("rtt"),
    jitterMs: duration("jitter"),
    system:
      values.retries2 === undefined
        ? undefined
        : { retries2: parseNumber(values.retries2, "--retries2", 0, 255) },
  });

  const prediction = foretell(settings);
  print(rendered(prediction, values.json ? "json" : predictionText));
  return prediction.idle && prediction.inFlight ? 0 : 1;
}

/** Leaves out settings that were not given: they must be absent, not `undefined`. */
function withoutGaps(
  settings: { [Name in keyof PredictSettings]: PredictSettings[Name] | undefined },
): PredictSettings {
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined));
}

function parseKeepalive(text: string): NonNullable<PredictSettings["keepalive"]> {
  if (text === "system") return true;
  const [idle, interval, count, ...rest] = text.split(",");
  if (idle === undefined || interval === undefined || count === undefined || rest.length > 0)
    throw new UsageError(
      `--keepalive takes idle, interval and count (2s,1s,3) or "system", got ${JSON.stringify(text)}`,
    );
  return {
    idleMs: parseDuration(idle, "--keepalive, idle,"),
    intervalMs: parseDuration(interval, "--keepalive, interval,"),
    count: parseNumber(count, "--keepalive, count,", 1, 255),
  };
}

function parseHeartbeat(text: string): NonNullable<PredictSettings["heartbeat"]> {
  const [interval, timeout, ...rest] = text.split(",");
  if (interval === undefined || timeout === undefined || rest.length > 0)
    throw new UsageError(
      `--heartbeat takes interval and timeout (5s,3s), got ${JSON.stringify(text)}`,
    );
  return {
    intervalMs: parseDuration(interval, "--heartbeat, interval,"),
    timeoutMs: parseDuration(timeout, "--heartbeat, timeout,"),
  };
}

function predictionText(it: Prediction): string {
  const isUnknown = it.zeroWindowDead === null && it.platform !== "linux";
  const rows = [
    ["when the peer goes", "noticed after", "from best to worst", "by"],
    ["idle", ...detectionCells(it.idle)],
    ["data in flight", ...detectionCells(it.inFlight)],
    [
      "behind a closed window",
      ...(isUnknown ? ["not known", "", ""] : detectionCells(it.zeroWindowDead)),
    ],
    ["half-closed", ...detectionCells(it.halfClosed)],
    ["while connecting", ...detectionCells(it.connecting)],
  ];
  const killed = it.zeroWindowAliveKilled
    ? "A live peer that does not read for long enough is given up.\n"
    : "";
  const { survivesOutage: outage } = it;
  const survived = outage
    ? `Outages that end no connection: ${outageText(outage.idleMs)} while idle, ${outageText(outage.inFlightMs)} with data in flight.\n`
    : "";
  return `${textTable(rows)}\n${killed}${survived}${warningLines(it.warnings)}`;
}

function outageText(ms: number | null): string {
  return ms === null ? "all" : `up to ${formatDuration(ms)}`;
}
