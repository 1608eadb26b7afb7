// One way to keep deadlines, timed: prints ns an entry as JSON. For bench/wheel/wheel.mjs.
import { TimerWheel } from "../../dist/core/time/timer-wheel.js";

const [name, order, count] = [process.argv[2], process.argv[3], Number(process.argv[4])];
const SPAN_MS = 60_000;
const TICK_MS = 10;
/** So many entries beforehand, untimed: the compiler has then seen the code. */
const WARM_UP = 20_000;

// Deadlines and order from a generator with a seed of its own, drawn before anything is timed.
let state = 1;
const random = () => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return state / 2 ** 32;
};

/**
 * The entries in the order in which they are moved; their deadlines at first, and after the move in
 * that order.
 */
function draw(entries, isMovedEarlier) {
  const first = Int32Array.from({ length: entries }, () => 1 + Math.floor(random() * SPAN_MS));
  const moves = Uint32Array.from({ length: entries }, (_, i) => i);
  if (order === "shuffled") shuffle(moves);
  const moved = (ms) =>
    isMovedEarlier
      ? Math.max(1, Math.floor(ms * random()))
      : ms + 1 + Math.floor(random() * SPAN_MS);
  return { first, moves, second: Int32Array.from(moves, (i) => moved(first[i])) };
}

function shuffle(order) {
  for (let i = order.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
}

function wheel({ first, second }) {
  const timers = new TimerWheel(TICK_MS, 0);
  const entries = newEntries(first.length);
  return {
    set: (i) => {
      timers.schedule(entries[i], first[i]);
      return entries[i];
    },
    move: (entry, i) => timers.schedule(entry, second[i]),
  };
}

function newEntries(count) {
  return Array.from({ length: count }, () => ({
    wheelNext: null,
    wheelPrevious: null,
    wheelSlot: -1,
    wheelTick: 0,
  }));
}

/**
 * What a wheel with intrusive entries cannot do without: each entry read and written once when it
 * is set, and once when it is moved.
 */
function touch({ first, second }) {
  const entries = newEntries(first.length);
  return {
    set: (i) => {
      const entry = entries[i];
      if (entry.wheelSlot < 0) entry.wheelTick = first[i];
      return entry;
    },
    move: (entry, i) => {
      if (entry.wheelTick < second[i]) entry.wheelTick = second[i];
    },
  };
}

const nothing = () => {};

function node(durationOf, move) {
  return {
    set: (i) => setTimeout(nothing, durationOf(i)),
    move,
    end: (timer) => clearTimeout(timer),
  };
}

function again(durationOf) {
  return (timer, i) => {
    clearTimeout(timer);
    return setTimeout(nothing, durationOf(i));
  };
}

/**
 * `move` gets what `set` returned, and the number of the move. It returns what it made instead, if
 * anything.
 */
const SUBJECTS = {
  touch,
  wheel,
  wheelEarlier: wheel,
  refresh: ({ first }) =>
    node(
      (i) => first[i],
      (timer) => timer.refresh(),
    ),
  rearm: ({ first, second }) =>
    node(
      (i) => first[i],
      again((i) => second[i]),
    ),
  rearmSame: () =>
    node(
      () => SPAN_MS,
      again(() => SPAN_MS),
    ),
};

/**
 * The timers are laid out in the order of their moves before these are timed: what misses the cache
 * then is theirs alone.
 */
function run(entries) {
  const drawn = draw(entries, name === "wheelEarlier");
  const { set, move, end = () => {} } = SUBJECTS[name](drawn);
  const timers = new Array(entries).fill(null);
  global.gc();
  const started = process.hrtime.bigint();
  for (let i = 0; i < entries; i++) timers[i] = set(i);
  const inserted = process.hrtime.bigint();
  const inOrder = Array.from(drawn.moves, (i) => timers[i]);
  const moving = process.hrtime.bigint();
  for (let i = 0; i < entries; i++) inOrder[i] = move(inOrder[i], i) ?? inOrder[i];
  const ended = process.hrtime.bigint();
  for (const timer of inOrder) end(timer);
  return {
    insertNs: Number(inserted - started) / entries,
    moveNs: Number(ended - moving) / entries,
  };
}

run(WARM_UP);
console.log(JSON.stringify(run(count)));
process.exit();
