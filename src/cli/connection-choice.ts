import { HalfOpenError } from "../core/errors.ts";
import type { TcpState } from "../core/tcp-info.ts";
import { CgroupPattern } from "../survey/cgroup.ts";
import { Cidr } from "../survey/cidr.ts";
import { type ConnectionFilter, MATCH_ALL } from "../survey/connection-filter.ts";
import { HANGING_STATES } from "../survey/survey.ts";
import { UsageError } from "./command.ts";
import { unknownWord } from "./suggest.ts";

/** Options that choose connections. Each may be given several times, or as a comma list. */
export const CHOICE_OPTIONS = {
  pid: { type: "string", multiple: true },
  process: { type: "string", multiple: true },
  uid: { type: "string", multiple: true },
  cgroup: { type: "string", multiple: true },
  namespace: { type: "string", multiple: true },
  port: { type: "string", multiple: true },
  peer: { type: "string", multiple: true },
  state: { type: "string", multiple: true },
} as const;

export const CHOICE_HELP = `  --pid 1234               only connections of this process
  --process nginx          only connections of processes with this name
  --uid 1000               only connections of this user, by its number
  --cgroup '*docker-3f2a*' only connections of processes in this control group, or below it;
                           * stands for any text
  --namespace blue         only connections in this network namespace, by name or inode number
  --port 5432              only connections with this port on either end
  --peer 10.0.0.0/8        only connections to this address or range
  --state close_wait       only connections in this state
`;

const LARGEST_PID = 2 ** 22;
/** uid_t has 32 bits; the last number means none (chown(2)). */
const LARGEST_UID = 2 ** 32 - 2;

type Given = Readonly<Partial<Record<keyof typeof CHOICE_OPTIONS, string[]>>>;

/** Returns the filter that the options describe. @throws UsageError */
export function connectionChoice(given: Given): ConnectionFilter {
  return {
    ...MATCH_ALL,
    pids: words(given.pid).map((word) => wholeNumber(word, "--pid", 1, LARGEST_PID)),
    processes: words(given.process),
    cgroups: words(given.cgroup).map(cgroupPattern),
    namespaces: words(given.namespace).map(namespaceWord),
    userIds: words(given.uid).map((word) => wholeNumber(word, "--uid", 0, LARGEST_UID)),
    ports: words(given.port).map((word) => wholeNumber(word, "--port", 0, 65_535)),
    peers: words(given.peer).map(range),
    states: words(given.state).map(stateOf),
  };
}

function words(given: readonly string[] | undefined): string[] {
  return (given ?? []).flatMap((list) => list.split(",")).map((word) => word.trim());
}

function wholeNumber(word: string, option: string, least: number, most: number): number {
  const value = /^\d+$/.test(word) ? Number(word) : Number.NaN;
  if (value >= least && value <= most) return value;
  throw new UsageError(
    `${option} takes a whole number from ${least} to ${most}, got ${JSON.stringify(word)}`,
  );
}

function cgroupPattern(word: string): CgroupPattern {
  if (/^[/*?]/.test(word)) return new CgroupPattern(word);
  throw new UsageError(
    `--cgroup takes a path or a pattern that begins with / or *, such as /system.slice or '*docker-3f2a*', got ${JSON.stringify(word)}`,
  );
}

/** Takes a namespace also in the form that reports name it: `net:[4026532231]`. */
function namespaceWord(word: string): string {
  if (word === "") throw new UsageError("--namespace takes a name or an inode number");
  return /^net:\[(\d+)\]$/.exec(word)?.[1] ?? word;
}

function range(word: string): Cidr {
  try {
    return Cidr.parse(word);
  } catch (error) {
    if (error instanceof HalfOpenError) throw new UsageError(`--peer: ${error.message}`);
    throw error;
  }
}

/** Reads the name of a state, also as ss and netstat write it: `close-wait`, `ESTAB`. */
function stateOf(word: string): TcpState {
  const name = word
    .toUpperCase()
    .replaceAll("-", "_")
    .replace(/^ESTAB$/, "ESTABLISHED")
    .replace(/^FIN_WAIT_/, "FIN_WAIT");
  const state = HANGING_STATES.find((known) => known === name);
  if (state) return state;
  throw new UsageError(
    unknownWord(
      "--state",
      word.toLowerCase(),
      HANGING_STATES.map((known) => known.toLowerCase()),
    ),
  );
}
