import { parseArgs } from "node:util";
import { isQuickBudget } from "../core/judge/quick-terms.ts";
import { FAULTS } from "../lab/faults.ts";
import { MECHANISM_NOTES, MECHANISMS, type Mechanism } from "../lab/mechanisms.ts";
import { DEFAULT_BUDGET_MS, runLab } from "../lab/run-lab.ts";
import { NoWorldError } from "../lab/world.ts";
import { settingsOf } from "../watch/settings.ts";
import { type Command, type ExitCode, NotPossibleHere, UsageError } from "./command.ts";
import { parseDuration } from "./duration.ts";
import { checkWritable, writeLabPage } from "./lab-html.ts";
import { labTable } from "./lab-table.ts";
import { print, rendered } from "./output.ts";
import { Progress } from "./progress.ts";
import { unknownWord } from "./suggest.ts";
import { surviveOutage } from "./survive-outage.ts";

const HELP = `Usage: halfopen lab [options]

Builds a virtual network of namespaces, pulls the cable and injects the other faults. Measures what
each mechanism notices, when, and with which error.
Touches nothing outside the network. Needs root or user namespaces. The watched program holds no
privileges.

  --quick                  the whole matrix in under 60 s: shorter observations, IPv6 and TLS for
                           watch only
  --detect-within 5s       the budget, default 5s
  --survive-outage 2s      the longest outage that must not end a connection, default 0.4 of the budget
  --faults a,b             only these faults (see --list)
  --mechanisms a,b         only these mechanisms (see --list)
  --json                   prints the report as JSON on standard output
  --html lab.html          writes the report as one page for a browser, with time lines and curves
  --list                   lists the faults and mechanisms, and runs none

Exit code: 0 watch kept every promise, 1 it broke one, 2 usage, 3 no namespaces here.
`;

export const lab: Command = { help: HELP, run };

async function run(args: readonly string[]): Promise<ExitCode> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: "boolean" },
      json: { type: "boolean" },
      html: { type: "string" },
      list: { type: "boolean" },
      faults: { type: "string" },
      mechanisms: { type: "string" },
      "detect-within": { type: "string" },
      "survive-outage": { type: "string" },
    },
  });
  if (values.list) {
    print(rendered(listing(), values.json ? "json" : listingText));
    return 0;
  }

  const faults = chosen(
    "fault",
    values.faults,
    FAULTS.map(({ id }) => id),
  );
  const mechanisms = chosen("mechanism", values.mechanisms, MECHANISMS) as Mechanism[] | undefined;
  const detectWithinMs =
    values["detect-within"] === undefined
      ? undefined
      : parseDuration(values["detect-within"], "--detect-within");

  const surviveOutageMs = surviveOutage(values["survive-outage"]);
  checkTimes(detectWithinMs ?? DEFAULT_BUDGET_MS, surviveOutageMs);

  if (values.html !== undefined) await checkWritable(values.html);
  const progress = new Progress();
  try {
    const onProgress = (done: number, total: number, fault: string): void =>
      progress.show(`lab: ${done} of ${total} faults done, last ${fault}`);

    const report = await runLab({
      faults,
      mechanisms,
      detectWithinMs,
      surviveOutageMs,
      isQuick: values.quick,
      onProgress,
    });
    if (values.html !== undefined) {
      progress.show("lab: simulating the detectors for the page");
      await writeLabPage(values.html, report);
    }

    progress.end();
    print(rendered(report, values.json ? "json" : labTable));
    return report.summary.failed === 0 ? 0 : 1;
  } catch (error) {
    progress.end();
    if (error instanceof NoWorldError) throw new NotPossibleHere(error.message);
    throw error;
  }
}

/** @throws HalfOpenError if the watched program could not have these times */
function checkTimes(detectWithinMs: number, surviveOutageMs: number | undefined): void {
  const heartbeat = isQuickBudget(detectWithinMs) ? async (): Promise<void> => {} : undefined;
  settingsOf({ detectWithinMs, surviveOutageMs, heartbeat });
}

function chosen(
  what: string,
  list: string | undefined,
  known: readonly string[],
): string[] | undefined {
  if (list === undefined) return undefined;

  const words = list
    .split(",")
    .map((word) => word.trim())
    .filter((word) => word !== "");
  if (words.length === 0)
    throw new UsageError(`--${what}s takes a comma-separated list; known are ${known.join(", ")}`);

  for (const word of words)
    if (!known.includes(word)) throw new UsageError(unknownWord(what, word, known));
  return words;
}

interface Listing {
  readonly faults: readonly {
    readonly id: string;
    readonly title: string;
    readonly effect: string;
  }[];
  readonly mechanisms: readonly { readonly id: string; readonly note: string }[];
}

function listing(): Listing {
  return {
    faults: FAULTS.map(({ id, title, effect }) => ({ id, title, effect })),
    mechanisms: MECHANISMS.map((id) => ({ id, note: MECHANISM_NOTES[id] })),
  };
}

function listingText({ faults, mechanisms }: Listing): string {
  const width = Math.max(...[...faults, ...mechanisms].map(({ id }) => id.length));
  return `Faults\n${faults.map(({ id, title }) => `  ${id.padEnd(width)}  ${title}\n`).join("")}
Mechanisms\n${mechanisms.map(({ id, note }) => `  ${id.padEnd(width)}  ${note}\n`).join("")}`;
}
