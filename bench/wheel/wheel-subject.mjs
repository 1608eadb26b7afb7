// One way to keep deadlines, timed: prints ns an entry as JSON. For bench/wheel/wheel.mjs.
import { TimerWheel } from "../../dist/core/timer-wheel.js";

const [name, order, count] = [process.argv[2], process.argv[3], Number(process.argv[4])];
const SPAN_MS = 60_000;
const TICK_MS = 10;

// Deadlines and order from a generator with a seed of its own, drawn before anything is timed.
let state = 1;
const random = () => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return state / 2 ** 32;
};
const first = Float64Array.from({ length: count }, () => 1 + Math.floor(random() * SPAN_MS));
const later = first.map((ms) => ms + 1 + Math.floor(random() * SPAN_MS));
const earlier = first.map((ms) => Math.max(1, Math.floor(ms * random())));
const moved = Uint32Array.from({ length: count }, (_, i) => i);
if (order === "shuffled") {
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [moved[i], moved[j]] = [moved[j], moved[i]];
  }
}
const nothing = () => {};

function wheel(second) {
  const timers = new TimerWheel(TICK_MS, 0);
  const entries = Array.from({ length: count }, () => ({ wheelNext: null, wheelPrevious: null, wheelSlot: -1, wheelTick: 0 }));
  return {
    insert: (i) => timers.schedule(entries[i], first[i]),
    move: (i) => timers.schedule(entries[i], second[i]),
  };
}

function node(durationOf, move) {
  const timers = new Array(count);
  return {
    insert: (i) => {
      timers[i] = setTimeout(nothing, durationOf(i));
    },
    move: (i) => move(timers, i),
  };
}

const again = (durationOf) => (timers, i) => {
  clearTimeout(timers[i]);
  timers[i] = setTimeout(nothing, durationOf(i));
};
const SUBJECTS = {
  wheel: () => wheel(later),
  wheelEarlier: () => wheel(earlier),
  refresh: () =>
    node(
      (i) => first[i],
      (timers, i) => timers[i].refresh(),
    ),
  rearm: () =>
    node(
      (i) => first[i],
      again((i) => later[i]),
    ),
  rearmSame: () =>
    node(
      () => SPAN_MS,
      again(() => SPAN_MS),
    ),
};

const { insert, move } = SUBJECTS[name]();
global.gc();
const started = process.hrtime.bigint();
for (let i = 0; i < count; i++) insert(i);
const inserted = process.hrtime.bigint();
for (let i = 0; i < count; i++) move(moved[i]);
const ended = process.hrtime.bigint();
console.log(JSON.stringify({ insertNs: Number(inserted - started) / count, moveNs: Number(ended - inserted) / count }));
process.exit();
