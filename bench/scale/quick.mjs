// Processor time of a quiet connection at a budget too short for keepalive, beside a ping by hand.
import { setTimeout as sleep } from "node:timers/promises";
import { MECHANISMS, QUICK_MECHANISMS, QUICK_MS } from "./mechanisms.mjs";
import { withPopulation } from "./population.mjs";
import { median } from "./statistics.mjs";

const SETTLE_MS = 3000;
const WINDOW_MS = 5000;
const WINDOWS = 3;
const ROWS = { tcp: MECHANISMS.tcp, ...QUICK_MECHANISMS };

export const title = `Processor time of a quiet connection at ${QUICK_MS} ms`;
export const method =
  `Peers in another process on loopback; one mechanism at a time, the median of ${WINDOWS} windows of ${WINDOW_MS / 1000} s of process.cpuUsage. ` +
  "`net` is less the same connections unwatched.";

export async function measure({ connections = 300 } = {}) {
  const rows = [];
  for (const mechanism of Object.keys(ROWS)) {
    const us = await withPopulation(mechanism, async (population) => {
      await population.connect(connections, QUICK_MS);
      await sleep(SETTLE_MS);
      const windows = [];
      for (let i = 0; i < WINDOWS; i++) windows.push(await population.ask("cpu", WINDOW_MS));
      return median(windows.map(({ us, ms }) => (us / connections / ms) * 1000));
    });
    rows.push({ mechanism, us });
  }
  const [unwatched] = rows;
  return { connections, rows: rows.map((row) => ({ ...row, netUs: row.us - unwatched.us })) };
}

export function table({ rows }) {
  const byHand = rows.find(({ mechanism }) => mechanism === "quickPing");
  return [
    ["", "net / ping by hand", "net", "process"],
    ...rows.map(({ mechanism, us, netUs }) => [
      ROWS[mechanism].title,
      (netUs / byHand.netUs).toFixed(2),
      `${netUs.toFixed(0)} us/s`,
      `${us.toFixed(0)} us/s`,
    ]),
  ];
}

export function targets() {
  return [];
}
