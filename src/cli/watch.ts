import type { Socket } from "node:net";
import { parseArgs } from "node:util";
import type { Diagnosis } from "../core/diagnosis.ts";
import { LARGEST_BUDGET_MS, SMALLEST_BUDGET_MS } from "../core/judge/probe-plan.ts";
import { printable } from "../core/printable.ts";
import { settingsOf } from "../watch/settings.ts";
import { NEWS } from "../watch/subscribers.ts";
import { watch as watchSocket } from "../watch/watch.ts";
import type { Watcher } from "../watch/watcher.ts";
import { type Command, type ExitCode, UsageError } from "./command.ts";
import { connectWithin } from "./connect-within.ts";
import { detectWithin } from "./detect-within.ts";
import { parseDuration } from "./duration.ts";
import { complain, print, rendered } from "./output.ts";
import { surviveOutage } from "./survive-outage.ts";
import { type VitalEvent, vitalLine } from "./vital-line.ts";

const HELP = `Usage: halfopen watch HOST:PORT [options]

Connects and shows the vital signs live: when the peer was last heard, the round trip, the data in
flight, the retransmissions and the unanswered probes. Ends when the peer dies, when the connection
closes, or when you press Ctrl-C. Sends nothing but the kernel's keepalive probes.

  --detect-within 10s      time in which a dead peer must be found, at least 2.5s, default 10s; also
                           the longest time for connecting
  --survive-outage 4s      the longest outage that must not end the connection, default 0.4 of that
                           time; refused where the time cannot outlast it
  --every 1s               time between two lines, default 1s; events are shown at once
  --json                   one object a line: { time, event, rttMs, diagnosis }

Exit code: 0 the connection ended alive, 1 the peer is dead or was never reached, 2 usage.
`;

const DEFAULT_EVERY_MS = 1000;
const SHORTEST_EVERY_MS = 100;

export const watch: Command = { help: HELP, run };

async function run(args: readonly string[]): Promise<ExitCode> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      "detect-within": { type: "string" },
      "survive-outage": { type: "string" },
      every: { type: "string" },
      json: { type: "boolean" },
    },
  });
  const [address, ...more] = positionals;
  if (address === undefined || more.length > 0)
    throw new UsageError("halfopen watch takes one HOST:PORT");

  const peer = peerOf(address);
  const within = values["detect-within"];
  const detectWithinMs = detectWithin(within);
  if (detectWithinMs < SMALLEST_BUDGET_MS || detectWithinMs > LARGEST_BUDGET_MS) {
    throw new UsageError(
      `--detect-within takes ${SMALLEST_BUDGET_MS}ms to ${LARGEST_BUDGET_MS}ms, got ${within}`,
    );
  }

  const everyMs =
    values.every === undefined ? DEFAULT_EVERY_MS : parseDuration(values.every, "--every");
  if (everyMs < SHORTEST_EVERY_MS)
    throw new UsageError(`--every takes at least ${SHORTEST_EVERY_MS}ms, got ${values.every}`);

  const surviveOutageMs = surviveOutage(values["survive-outage"]);
  settingsOf({ detectWithinMs, surviveOutageMs }); // refused before anything is connected
  const socket = connectWithin(peer, detectWithinMs).resume();
  const watcher = watchSocket(socket, { detectWithinMs, surviveOutageMs, label: address });
  const tell: Tell = (event, diagnosis) => {
    const { rttMs } = watcher;
    const time = new Date().toISOString();
    const words = (it: { diagnosis: Diagnosis }): string =>
      `${vitalLine(time, event, rttMs, it.diagnosis)}\n`;
    print(rendered({ time, event, rttMs, diagnosis }, values.json ? "json-line" : words));
  };
  return follow(socket, watcher, tell, everyMs);
}

type Tell = (event: VitalEvent, diagnosis: Diagnosis) => void;

/** Reports on the connection until it ends. */
async function follow(
  socket: Socket,
  watcher: Watcher,
  tell: Tell,
  everyMs: number,
): Promise<ExitCode> {
  let timer: NodeJS.Timeout | null = null;
  let failure: Error | null = null;
  let isStopped = false;
  const stop = (): void => {
    isStopped = true;
    socket.destroy();
  };

  process.once("SIGINT", stop).once("SIGTERM", stop);
  for (const event of NEWS) watcher.on(event, (diagnosis) => tell(event, diagnosis));
  watcher.on("close", (diagnosis) => timer && !isStopped && tell("close", diagnosis));
  socket.once("connect", () => {
    timer = setInterval(() => {
      // Between the verdict and the close of the socket there are no vital signs.
      if (watcher.state !== "dead") tell("vitals", watcher.diagnosis);
    }, everyMs);
  });
  socket.on("error", (error) => {
    failure = error;
  });

  await new Promise((resolve) => socket.once("close", resolve));
  process.off("SIGINT", stop).off("SIGTERM", stop);
  if (timer) clearInterval(timer);
  else if (failure)
    complain(
      `halfopen: ${printable(`${watcher.settings.label} was not reached: ${reasonOf(failure)}`)}\n`,
    );
  return failure ? 1 : 0;
}

/**
 * Returns the message of an error. An AggregateError, which stands for several addresses, has no
 * message of its own.
 */
function reasonOf(error: Error): string {
  return error instanceof AggregateError
    ? error.errors.map((one: Error) => one.message).join("; ")
    : error.message;
}

function peerOf(address: string): { host: string; port: number } {
  const [, bracketed, plain, digits] = /^(?:\[(.+)\]|([^:]+)):(\d{1,5})$/.exec(address) ?? [];
  const host = bracketed ?? plain;
  const port = Number(digits);
  if (host !== undefined && port > 0 && port <= 65_535) return { host, port };
  throw new UsageError(
    `${JSON.stringify(address)} is no HOST:PORT; write db.internal:5432, 10.0.0.2:5432 or [fd00::2]:5432`,
  );
}
