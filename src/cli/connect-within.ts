import { execFile } from "node:child_process";
import type { LookupAddress } from "node:dns";
import { connect, type LookupFunction, type Socket } from "node:net";
import { HalfOpenError } from "../core/errors.ts";
import { formatDuration } from "./duration.ts";

/**
 * Of several addresses of a name each gets this share of the time: Node's own 250 ms would pass
 * over a peer that is far away.
 */
const ADDRESS_SHARE = 0.25;
const LOOK_UP = `require("node:dns").lookup(process.argv[1], { all: true }, (error, found) =>
  process.stdout.write(JSON.stringify(error ? { code: error.code, message: error.message } : found)))`;

/**
 * Connects within a time or not at all, with the resolution of the name and whichever of its
 * addresses answers: the kernel alone would go on for two minutes with each. What stays unanswered
 * ends the socket with a HalfOpenError `ERR_NOT_CONNECTED`.
 */
export function connectWithin(
  peer: { readonly host: string; readonly port: number },
  withinMs: number,
): Socket {
  const ending = new AbortController();
  const lookup = lookupApart(ending.signal);
  const socket = connect({
    ...peer,
    lookup,
    autoSelectFamilyAttemptTimeout: Math.ceil(withinMs * ADDRESS_SHARE),
  });
  const tried: string[] = [];
  socket.on("connectionAttempt", (address) => tried.push(address));
  const timer = setTimeout(() => {
    const what =
      tried.length === 0 ? "its name was not resolved" : `no answer from ${tried.join(", ")}`;
    socket.destroy(
      new HalfOpenError("ERR_NOT_CONNECTED", `${what} within ${formatDuration(withinMs)}`),
    );
  }, withinMs);
  socket.once("connect", () => clearTimeout(timer));
  socket.once("close", () => {
    clearTimeout(timer);
    ending.abort();
  });
  return socket;
}

/**
 * Asks the system's resolver in a process of its own: the question cannot be taken back, and no
 * Node process ends before it is answered.
 */
function lookupApart(signal: AbortSignal): LookupFunction {
  return (host, { all }, answer) => {
    execFile(
      process.execPath,
      ["-e", LOOK_UP, "--", host],
      { signal, killSignal: "SIGKILL" },
      (failure, text) => {
        if (failure)
          return answer(
            new Error(`the resolver could not be asked (${failure.code ?? failure.signal})`),
            "",
          );
        const found = JSON.parse(text) as LookupAddress[] | { code: string; message: string };
        if (!Array.isArray(found))
          return answer(Object.assign(new Error(found.message), { code: found.code }), "");
        if (all) answer(null, found);
        else answer(null, found[0]?.address ?? "", found[0]?.family);
      },
    );
  };
}
