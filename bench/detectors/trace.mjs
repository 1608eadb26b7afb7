// Reads a recording: lines of `sequence sentMs arrivedMs`, `#` starts a comment. Drift between the
// two clocks is taken out.
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { exponentialDelay } from "../../dist/core/index.js";

/** A recording as a path to compare detectors on. Only heartbeats that arrived have a line. */
export function recordedScenario(file, intervalMs) {
  const rows = readFileSync(file, "utf8")
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => line.split(/\s+/).map(Number));
  const heartbeats = withoutDrift(
    rows.map(([sequence, sentAt, arrivedAt]) => ({ sequence, sentAt, arrivedAt })),
  );
  const delays = heartbeats.map(({ sentAt, arrivedAt }) => arrivedAt - sentAt);
  const meanMs = delays.reduce((sum, ms) => sum + ms, 0) / delays.length;
  const lost =
    1 - heartbeats.length / (Math.max(...heartbeats.map(({ sequence }) => sequence)) + 1);
  const id = basename(file).replace(/\.[a-z]+$/, "");
  const title = `recorded: ${id}, ${heartbeats.length} heartbeats, ${(100 * lost).toFixed(2)} % lost`;
  // The law says only where the curves begin.
  const transport = /** @type {const} */ ("recorded");
  return {
    id,
    title,
    intervalMs,
    delay: exponentialDelay(0, meanMs),
    loss: lost,
    transport,
    recorded: heartbeats,
    upTo: 12,
  };
}

/**
 * Clocks differ by an unknown constant and drift: the line under all delays, through the least of
 * the first and of the last tenth, becomes 1 ms.
 */
function withoutDrift(heartbeats) {
  const tenth = Math.ceil(heartbeats.length / 10);
  const least = (part) =>
    part.reduce((a, b) => (b.arrivedAt - b.sentAt < a.arrivedAt - a.sentAt ? b : a));
  const [first, last] = [least(heartbeats.slice(0, tenth)), least(heartbeats.slice(-tenth))];
  const drift =
    (last.arrivedAt - last.sentAt - (first.arrivedAt - first.sentAt)) /
    (last.sentAt - first.sentAt);
  const offset = ({ sentAt }) => first.arrivedAt - first.sentAt + drift * (sentAt - first.sentAt);
  const corrected = heartbeats.map((it) => ({ ...it, arrivedAt: it.arrivedAt - offset(it) + 1 }));
  const earliest = Math.min(...corrected.map(({ sentAt, arrivedAt }) => arrivedAt - sentAt));
  return corrected.map((it) => ({ ...it, arrivedAt: it.arrivedAt - Math.min(0, earliest - 1) }));
}
