import type { Diagnosis } from "../core/diagnosis.ts";
import { printable, printableJson } from "../core/printable.ts";
import { wallClockMs } from "../kernel/clock.ts";

/** Writes one line about a death to standard error; as JSON the line holds the whole diagnosis. */
export function reportDeath(diagnosis: Diagnosis, onDead: string, logsJson: boolean): void {
  if (EVERYDAY.has(diagnosis.cause)) return;

  const { remote, cause, certainty, why, silentForMs } = diagnosis;
  const silence = silentForMs === null ? "" : ` after ${Math.round(silentForMs)} ms of silence`;
  const text = `halfopen: ${remote ?? "a peer"} is dead${silence} (${cause}, ${certainty}): ${why.join("; ")}; ${onDead === "report" ? "left alone" : "connection ended"}`;

  const line = logsJson
    ? printableJson(
        JSON.stringify({
          time: new Date(wallClockMs()).toISOString(),
          event: "dead",
          action: onDead,
          diagnosis,
        }),
      )
    : printable(text);
  process.stderr.write(`${line}\n`);
}

/** Causes without a line: peers reset and close every day, and the program notices by itself. */
const EVERYDAY = new Set<Diagnosis["cause"]>(["peer-reset", "closed-by-peer", "closed-locally"]);
