import type { GuardEvent } from "../guard/event.ts";
import { formatDuration } from "./duration.ts";

/** Formats one entry of a guard's log as a line for people. */
export function guardLine({ action, connection, after, diagnosis, reason }: GuardEvent): string {
  const { local, remote, state, pid, process, namespace } = connection;
  const who = pid === null ? "unknown process" : `${process ?? "?"}[${pid}]`;
  const ends = state === "LISTEN" ? `listening on ${local}` : `${local} -> ${remote}`;
  const where = namespace === null ? ends : `${ends} in ${namespace}`;
  const settings = after
    ? `; keepalive ${formatDuration(after.keepalive.idleMs)} / ${formatDuration(after.keepalive.intervalMs)} x ${after.keepalive.count}`
    : "";
  const cause = diagnosis
    ? `; ${diagnosis.cause} for ${formatDuration(diagnosis.silentForMs)}`
    : "";
  return `${action} ${who} ${where}: ${reason}${settings}${cause}`;
}
