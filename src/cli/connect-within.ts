import { execFile } from "node:child_process";
import type { LookupAddress } from "node:dns";
import { connect, type LookupFunction, type Socket } from "node:net";
import { HalfOpenError } from "../core/errors.ts";
import { formatDuration } from "./duration.ts";

/**
 * Connects within `withinMs` or not at all. The time includes the resolution of the name and all
 * its addresses; the kernel alone would go on for two minutes with each. A connection that is not
 * made ends the socket with a HalfOpenError `ERR_NOT_CONNECTED`.
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
 * Share of the time that each address of a name gets. Node's own 250 ms would skip a peer that is
 * far away.
 */
const ADDRESS_SHARE = 0.25;

/**
 * Resolves a name in a process of its own. A lookup cannot be cancelled, and no Node process ends
 * before its lookups do.
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
            new Error(
              `the process that resolves the name failed (${failure.code ?? failure.signal})`,
            ),
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

const LOOK_UP = `require("node:dns").lookup(process.argv[1], { all: true }, (error, found) =>
  process.stdout.write(JSON.stringify(error ? { code: error.code, message: error.message } : found)))`;
