// What single savings of docs/internals/memory.md save: bytes of heap an object, time a call. `node
// --expose-gc bench/scale/parts.mjs`, after a build.

import { DangerOrder } from "../../dist/audit/danger-order.js";
import { Liveness } from "../../dist/core/judge/liveness.js";
import { decodeTcpInfo } from "../../dist/kernel/tcp-info/codec-linux.js";
import { isUneventful } from "../../dist/kernel/tcp-info/uneventful-linux.js";

const OBJECTS = 50_000;
const CALLS = 300_000;
const ROWS = 20_000;
const LENGTH = 248;

if (!globalThis.gc) throw new Error("run it with --expose-gc");

/** An established connection with nothing in flight: tcpi_state, tcpi_rto in us. */
const reading = new DataView(new ArrayBuffer(LENGTH));
reading.setUint8(0, 1);
reading.setUint32(8, 204_000, true);
const noticeMs = Array.from({ length: ROWS }, (_, row) => (row * 7919) % 100_000);

const judge = judged();
let now = 0;
print(
  "a reading, decoded",
  bytesOf(() => decodeTcpInfo(reading, LENGTH)),
);
print("a judge that has seen one", bytesOf(judged));
print(
  "a reading decoded and judged",
  nsOf(() => judge.observe(++now, decodeTcpInfo(reading, LENGTH))),
);
print(
  "the same found uneventful",
  nsOf(() => isUneventful(reading, 0, reading, LENGTH)),
);
print(
  `${ROWS} rows sorted by a function`,
  msOf(() => noticeMs.map((_, row) => row).sort((a, b) => noticeMs[b] - noticeMs[a])),
);
print(`${ROWS} rows sorted as numbers`, msOf(sortAsNumbers));

function judged() {
  const liveness = new Liveness({ budgetMs: 5000, rtoMaxMs: 1000 }, 0);
  liveness.observe(0, decodeTcpInfo(reading, LENGTH));
  return liveness;
}

function sortAsNumbers() {
  const order = new DangerOrder(ROWS);
  for (let row = 0; row < ROWS; row++) order.add(row, "in-order", noticeMs[row]);
  return order.sorted();
}

function bytesOf(make) {
  const kept = new Array(OBJECTS).fill(null);
  globalThis.gc();
  const before = process.memoryUsage().heapUsed;
  for (let i = 0; i < OBJECTS; i++) kept[i] = make();
  globalThis.gc();
  return `${((process.memoryUsage().heapUsed - before) / kept.length).toFixed(0)} B`;
}

function nsOf(call) {
  return `${(1e6 * timeOf(call, CALLS)).toFixed(0)} ns`;
}

function msOf(call) {
  return `${timeOf(call, 20).toFixed(1)} ms`;
}

/** Milliseconds a call. */
function timeOf(call, times) {
  for (let i = 0; i < times / 2; i++) call();
  const startedAt = performance.now();
  for (let i = 0; i < times; i++) call();
  return (performance.now() - startedAt) / times;
}

function print(what, value) {
  console.log(`${what.padEnd(40)} ${value.padStart(10)}`);
}
