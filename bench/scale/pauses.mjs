// How long the event loop was held up, iteration by iteration: monitorEventLoopDelay samples every
// millisecond at best and cannot tell whether this process worked or another had the processor.
import { setImmediate as nextIteration } from "node:timers/promises";

/** Longer iterations are kept one by one. */
const NOTABLE_MS = 1;

/**
 * Runs the loop without rest for `ms` and takes the time of every iteration: that of the clock, and
 * that in which this process had a processor. Where the two differ another process ran; a pause of
 * ours is at most the smaller one. GC threads count as ours.
 */
export async function measurePauses(ms) {
  const pauses = [];
  let iterations = 0;
  const end = performance.now() + ms;
  let [wall, cpu] = [performance.now(), cpuMs()];
  while (wall < end) {
    await nextIteration();
    const [wallNow, cpuNow] = [performance.now(), cpuMs()];
    const pauseMs = Math.min(wallNow - wall, cpuNow - cpu);
    iterations++;
    if (pauseMs >= NOTABLE_MS) pauses.push(pauseMs);
    [wall, cpu] = [wallNow, cpuNow];
  }
  pauses.sort((a, b) => b - a);
  return { iterations, pauses };
}

function cpuMs() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
