/**
 * Commands whose last or first argument says for how many seconds the server may wait; where it
 * does at all, see {@link ownTimeoutMs}.
 */
const LAST_SECONDS = new Set(["blpop", "brpop", "brpoplpush", "blmove", "bzpopmin", "bzpopmax"]);
const FIRST_SECONDS = new Set(["blmpop", "bzmpop"]);
const LAST_MS = new Set(["wait", "waitaof"]);
const BLOCK_OPTION = new Set(["xread", "xreadgroup"]);

/**
 * Returns within how many milliseconds a command of Redis is answered by what it says itself: 0 for
 * PING, the timeout of a blocking command that has one. `null` where nothing is promised: a timeout
 * of 0 (for ever), and every command that takes as long as its work does, such as EVAL, KEYS and
 * SORT.
 */
export function ownTimeoutMs(name: string, args: readonly unknown[]): number | null {
  const command = name.toLowerCase();
  if (command === "ping") return 0;
  if (LAST_SECONDS.has(command)) return promised(args.at(-1), 1000);
  if (FIRST_SECONDS.has(command)) return promised(args[0], 1000);
  if (LAST_MS.has(command)) return promised(args.at(-1), 1);
  if (BLOCK_OPTION.has(command)) return promised(args[optionAt(args, "block") + 1], 1);
  return null;
}

/** The options stand before STREAMS; what follows are keys and ids of any spelling. */
function optionAt(args: readonly unknown[], option: string): number {
  for (const [at, arg] of args.entries()) {
    const word = String(arg).toLowerCase();
    if (word === option) return at;
    if (word === "streams") break;
  }
  return args.length;
}

function promised(value: unknown, unitMs: number): number | null {
  const timeoutMs = Number(String(value)) * unitMs;
  return timeoutMs > 0 && Number.isFinite(timeoutMs) ? timeoutMs : null;
}
