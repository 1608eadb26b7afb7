/**
 * Commands that Redis answers in constant time, as it does PING (redis.io/commands, "Time
 * complexity: O(1)"), and that write nothing: `CLIENT PAUSE WRITE` and a failover hold up writes.
 */
const QUICK = new Set(
  [
    "ping echo time select type ttl pttl get strlen",
    "hget hexists hlen llen sismember scard zscore zcard xlen",
  ].flatMap((names) => names.split(" ")),
);

// Commands whose last or first argument, in seconds or ms, is how long the server may wait
const LAST_SECONDS = new Set(["blpop", "brpop", "brpoplpush", "blmove", "bzpopmin", "bzpopmax"]);
const FIRST_SECONDS = new Set(["blmpop", "bzmpop"]);
const LAST_MS = new Set(["wait", "waitaof"]);
const BLOCK_OPTION = new Set(["xread", "xreadgroup"]);

/**
 * Returns the time in ms within which Redis promises to answer a command: 0 for PING and GET, the
 * command's own timeout for a blocking one. `null` when nothing is promised: a timeout of 0 waits
 * for ever, and commands such as EVAL, KEYS and SORT take as long as their work does.
 */
export function ownTimeoutMs(name: string, args: readonly unknown[]): number | null {
  const command = name.toLowerCase();
  if (QUICK.has(command)) return 0;
  if (LAST_SECONDS.has(command)) return promised(args.at(-1), 1000);
  if (FIRST_SECONDS.has(command)) return promised(args[0], 1000);
  if (LAST_MS.has(command)) return promised(args.at(-1), 1);
  if (BLOCK_OPTION.has(command)) return promised(args[optionAt(args, "block") + 1], 1);
  return null;
}

/**
 * Returns the index of an option, or the number of arguments. Options stand before STREAMS; keys
 * and ids, of any spelling, stand behind.
 */
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
