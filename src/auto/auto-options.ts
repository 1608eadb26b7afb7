import { HalfOpenError, type SystemErrorCode } from "../core/errors.ts";
import { LARGEST_BUDGET_MS, SMALLEST_BUDGET_MS } from "../core/judge/probe-plan.ts";
import { durationMs } from "../core/time/duration.ts";
import { systemErrorOf } from "../kernel/system/system-error.ts";
import { PeerList } from "./peer-list.ts";

/** Options of `halfopen/auto`: those of `watchAll` that the environment has, and of the report. */
export interface AutoOptions {
  readonly detectWithinMs: number;
  /** `undefined`: 0.4 of the budget. */
  readonly surviveOutageMs: number | undefined;
  readonly onDead: "reset" | "destroy" | "report";
  readonly errorCode: "ERR_PEER_DEAD" | SystemErrorCode;
  readonly onUnheard: "throw" | "warn";
  /** `undefined`: all peers. */
  readonly allow: string | undefined;
  readonly deny: string | undefined;
  readonly servers: boolean;
  readonly loopback: boolean;
  readonly logsJson: boolean;
}

/**
 * Reads HALFOPEN_DETECT_WITHIN, HALFOPEN_SURVIVE_OUTAGE, HALFOPEN_ON_DEAD, HALFOPEN_ERROR_CODE,
 * HALFOPEN_ON_UNHEARD, HALFOPEN_ALLOW, HALFOPEN_DENY, HALFOPEN_SERVER, HALFOPEN_LOOPBACK,
 * HALFOPEN_LOG.
 *
 * @throws HalfOpenError `ERR_OPTION_RANGE` with the variable's name, because a typing error must
 *   not leave a program unwatched
 */
export function autoOptionsOf(env: NodeJS.ProcessEnv): AutoOptions {
  return {
    detectWithinMs: budgetOf(env.HALFOPEN_DETECT_WITHIN),
    surviveOutageMs: outageOf(env.HALFOPEN_SURVIVE_OUTAGE),
    onDead: oneOf(env, "HALFOPEN_ON_DEAD", ["reset", "destroy", "report"]),
    errorCode: errorCodeOf(env.HALFOPEN_ERROR_CODE),
    onUnheard: oneOf(env, "HALFOPEN_ON_UNHEARD", ["throw", "warn"]),
    allow: peersOf(env, "HALFOPEN_ALLOW"),
    deny: peersOf(env, "HALFOPEN_DENY"),
    servers: oneOf(env, "HALFOPEN_SERVER", ["on", "off"]) === "on",
    loopback: oneOf(env, "HALFOPEN_LOOPBACK", ["on", "off"]) === "on",
    logsJson: oneOf(env, "HALFOPEN_LOG", ["text", "json"]) === "json",
  };
}

const DEFAULT_BUDGET_MS = 10_000;

function budgetOf(text: string | undefined): number {
  if (!text) return DEFAULT_BUDGET_MS;
  const ms = durationMs(text);
  if (ms !== null && ms >= SMALLEST_BUDGET_MS && ms <= LARGEST_BUDGET_MS) return ms;

  throw new HalfOpenError(
    "ERR_OPTION_RANGE",
    `HALFOPEN_DETECT_WITHIN takes a duration with its unit (10s, 2500ms), from 2500ms to 1d, got ${JSON.stringify(text)}`,
  );
}

/** Whether the budget can outlast it, `watchAll` checks. */
function outageOf(text: string | undefined): number | undefined {
  if (!text) return undefined;
  const ms = durationMs(text);
  if (ms !== null && ms <= LARGEST_BUDGET_MS) return ms;

  throw new HalfOpenError(
    "ERR_OPTION_RANGE",
    `HALFOPEN_SURVIVE_OUTAGE takes a duration with its unit (4s, 500ms), up to 1d, got ${JSON.stringify(text)}`,
  );
}

/** Every library looked at retries on this code, or connects again: docs/retries.md. */
const DEFAULT_ERROR_CODE = "ECONNRESET";

function errorCodeOf(text: string | undefined): AutoOptions["errorCode"] {
  const code = text || DEFAULT_ERROR_CODE;
  if (code === "ERR_PEER_DEAD") return code;
  const error = systemErrorOf(code);
  if (error) return error.code;

  throw new HalfOpenError(
    "ERR_OPTION_RANGE",
    `HALFOPEN_ERROR_CODE must be ERR_PEER_DEAD or a code of this system, such as ECONNRESET, got ${JSON.stringify(text)}`,
  );
}

function peersOf(env: NodeJS.ProcessEnv, name: string): string | undefined {
  const text = env[name] || undefined;
  if (text) new PeerList(text, name); // refuses it with the variable's name
  return text;
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
