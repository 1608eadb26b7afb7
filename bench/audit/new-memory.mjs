// Takes the memory that this machine has used before, at every line on standard input, until only
// such is left as it never used: in a virtual machine the host has to find that page by page, which
// makes a page 8 times as dear. Says how many MB it took, or "none" where no memory gets dearer.
// For bench/audit/audit-vs-ss.mjs; ends with its standard input, and gives all back.
import { freemem } from "node:os";
import { createInterface } from "node:readline";

const PIECE_BYTES = 2 << 20;
const PAGE_BYTES = 4096;
/** A page that the machine used before took 1.3 µs here, a new one 10.9. */
const DEAR_US = 6;
/** So many dear pieces in a row: what is left is new. */
const IN_A_ROW = 24;
const LARGEST_SHARE = 0.25;

const taken = [];
for await (const _ of createInterface({ input: process.stdin })) console.log(take() ?? "none");

function take() {
  const most = (freemem() * LARGEST_SHARE) / PIECE_BYTES;
  for (let pieces = 1, dear = 0; pieces < most; pieces++) {
    dear = touchUs() > DEAR_US ? dear + 1 : 0;
    if (dear === IN_A_ROW) return (pieces * PIECE_BYTES) >> 20;
  }
  return null;
}

/** A page, on average. */
function touchUs() {
  const piece = new Uint8Array(PIECE_BYTES);
  taken.push(piece);
  const started = performance.now();
  for (let at = 0; at < PIECE_BYTES; at += PAGE_BYTES) piece[at] = 1;
  return (1000 * (performance.now() - started)) / (PIECE_BYTES / PAGE_BYTES);
}
