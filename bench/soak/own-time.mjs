// How long halfopen keeps the event loop to itself in one go. What it hands to setTimeout and
// setImmediate of node:timers is timed, with what the program does about it in the next ticks. The
// bench's own programs use node:timers/promises, which do not come by here.
//
// To be loaded before halfopen, which takes its timers once, at import.
import { createHistogram, PerformanceObserver } from "node:perf_hooks";
import timers from "node:timers";
import { setInterval as every, setTimeout as sleep } from "node:timers/promises";
import koffi from "koffi";

const LONG_MS = 5;
/** Takes as long as most of our stretches. */
const CONTROL_READS = 500;
const CONTROL_EVERY_MS = 40;
/** Of this thread alone: process.cpuUsage counts the compiler's and the collector's threads too. */
const CLOCK_THREAD_CPUTIME_ID = 3;
const clockGettime = koffi.load(null).func("int clock_gettime(int, _Out_ int64_t *)");
const timespec = new BigInt64Array(2);
const stretchesUs = createHistogram();
const controlsUs = createHistogram();
let long = [];
/** When each began and ended. */
let collections = [];

/**
 * What was counted since the last call, in ms. Long ones are told each: from when to when by the
 * clock that all processes share, and what is left without collections of garbage.
 */
export async function ownTime() {
  await sleep(0); // the observer's turn
  const sharedMs = Number(process.hrtime.bigint()) / 1e6 - performance.now();
  const told = {
    stretches: stretchesUs.count,
    p50Ms: stretchesUs.percentile(50) / 1000,
    p99Ms: stretchesUs.percentile(99) / 1000,
    maxMs: stretchesUs.count === 0 ? 0 : stretchesUs.max / 1000,
    long: long.map(({ from, to, ms }) => ({
      from: from + sharedMs,
      to: to + sharedMs,
      ms,
      ownMs: ms - collectedMs(from, to),
    })),
    control: {
      stretches: controlsUs.count,
      p50Ms: controlsUs.percentile(50) / 1000,
      maxMs: controlsUs.count === 0 ? 0 : controlsUs.max / 1000,
    },
  };
  stretchesUs.reset();
  controlsUs.reset();
  [long, collections] = [[], []];
  return told;
}

function timed(schedule) {
  return (callback, ...rest) =>
    schedule(
      () => {
        const [from, cpu] = [performance.now(), cpuMs()];
        // The second tick comes behind all that the callback put off to the next one.
        process.nextTick(() => process.nextTick(() => count(from, spentMs(from, cpu))));
        callback();
      },
      ...rest,
    );
}

/**
 * From now on, beside it and measured alike, the kernel is asked for TCP_INFO of so many of these
 * sockets in a row, with nothing of ours around it: what the kernel does on the way, such as what
 * came in from the network meanwhile, is charged to whoever asks.
 */
export async function startControl(sockets) {
  const { tcpInfoShelf } = await import("../../dist/kernel/tcp-info/shelf.js");
  for await (const _ of every(CONTROL_EVERY_MS, null, { ref: false })) {
    const descriptors = [...sockets]
      .slice(0, CONTROL_READS)
      .map((socket) => socket._handle?.fd ?? -1);
    const [from, cpu] = [performance.now(), cpuMs()];
    for (const fd of descriptors) tcpInfoShelf.read(fd);
    record(controlsUs, spentMs(from, cpu));
  }
}

function count(from, ms) {
  record(stretchesUs, ms);
  if (ms > LONG_MS) long.push({ from, to: performance.now(), ms });
}

function record(histogramUs, ms) {
  histogramUs.record(Math.max(1, Math.round(ms * 1000)));
}

/** At most what this thread used of a processor: others that ran meanwhile are no pause of ours. */
function spentMs(from, cpu) {
  return Math.min(performance.now() - from, cpuMs() - cpu);
}

function collectedMs(from, to) {
  let sum = 0;
  for (let i = 0; i < collections.length; i += 2)
    sum += Math.max(0, Math.min(to, collections[i + 1]) - Math.max(from, collections[i]));
  return sum;
}

function cpuMs() {
  clockGettime(CLOCK_THREAD_CPUTIME_ID, timespec);
  return Number(timespec[0]) * 1000 + Number(timespec[1]) / 1e6;
}

// Numbers, not entries: thousands of them would be counted with the heap of the soak.
const noteCollections = (list) => {
  for (const { startTime, duration } of list.getEntries())
    collections.push(startTime, startTime + duration);
};
new PerformanceObserver(noteCollections).observe({ entryTypes: ["gc"] });
Object.assign(timers, {
  setTimeout: timed(timers.setTimeout),
  setImmediate: timed(timers.setImmediate),
});
