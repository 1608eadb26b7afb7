import { HalfOpenError } from "../core/errors.ts";
import { durationMs } from "../core/time/duration.ts";
import { PeerList } from "./peer-list.ts";

/** Options of `halfopen/auto`, from environment variables. */
export interface AutoOptions {
  readonly detectWithinMs: number;
  readonly onDead: "reset" | "destroy" | "report";
  /** The only peers that are watched; `null`: all. */
  readonly allow: PeerList | null;
  readonly deny: PeerList;
  readonly watchesServers: boolean;
  readonly watchesLoopback: boolean;
  readonly logsJson: boolean;
}

/**
 * Reads HALFOPEN_DETECT_WITHIN, HALFOPEN_ON_DEAD, HALFOPEN_ALLOW, HALFOPEN_DENY, HALFOPEN_SERVER,
 * HALFOPEN_LOOPBACK, HALFOPEN_LOG.
 *
 * @throws HalfOpenError `ERR_OPTION_RANGE`, because a typing error must not leave a program
 *   unwatched
 */
export function autoOptionsOf(env: NodeJS.ProcessEnv): AutoOptions {
  return {
    detectWithinMs: budgetOf(env.HALFOPEN_DETECT_WITHIN),
    onDead: oneOf(env, "HALFOPEN_ON_DEAD", ["reset", "destroy", "report"]),
    allow: env.HALFOPEN_ALLOW ? new PeerList(env.HALFOPEN_ALLOW, "HALFOPEN_ALLOW") : null,
    deny: new PeerList(env.HALFOPEN_DENY ?? "", "HALFOPEN_DENY"),
    watchesServers: oneOf(env, "HALFOPEN_SERVER", ["on", "off"]) === "on",
    watchesLoopback: oneOf(env, "HALFOPEN_LOOPBACK", ["on", "off"]) === "on",
    logsJson: oneOf(env, "HALFOPEN_LOG", ["text", "json"]) === "json",
  };
}

const DEFAULT_BUDGET_MS = 10_000;

function budgetOf(text: string | undefined): number {
  if (!text) return DEFAULT_BUDGET_MS;
  const ms = durationMs(text);
  if (ms !== null) return ms;

  throw new HalfOpenError(
    "ERR_OPTION_RANGE",
    `HALFOPEN_DETECT_WITHIN takes a duration with its unit (10s, 2500ms), got ${JSON.stringify(text)}`,
  );
}

/** Returns a variable that must be one of `words`; the first word is the default. */
function oneOf<const Word extends string>(
  env: NodeJS.ProcessEnv,
  name: string,
  words: readonly [Word, ...Word[]],
): Word {
  const text = env[name];
  if (!text) return words[0];
  const word = words.find((one) => one === text);
  if (word) return word;

  throw new HalfOpenError(
    "ERR_OPTION_RANGE",
    `${name} must be ${words.join(" or ")}, got ${JSON.stringify(text)}`,
  );
}
