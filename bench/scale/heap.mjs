// (a) JS heap and resident memory of a connection, by what watches it.
import { setTimeout as sleep } from "node:timers/promises";
import { MECHANISMS, SETTLED_AFTER_MS } from "./mechanisms.mjs";
import { withPopulation } from "./population.mjs";
import { medianSlope } from "./statistics.mjs";

const MOST_BYTES = 600;
const AIM_BYTES = 400;

export const title = "Memory of a connection";
export const method =
  "Every mechanism in a process of its own, all at the same time; connections are added in equal steps, each followed by the time until all are in " +
  "routine, and forced collections. A figure is the median of the slopes between all pairs of steps. `beyond` is less the slope of the same " +
  "connection unwatched, `beyond TCP` less that of a bare TCP socket.";

export async function measure({ connections = 8000, steps = 4 } = {}) {
  const rows = await Promise.all(
    Object.keys(MECHANISMS).map((mechanism) => slopesOf(mechanism, connections, steps)),
  );
  return { connections, steps, rows: rows.map((row) => ({ ...row, ...beyond(row, rows) })) };
}

async function slopesOf(mechanism, connections, steps) {
  const points = await withPopulation(mechanism, (population) =>
    grow(population, connections / steps, steps),
  );
  const slope = (field) => medianSlope(points.map((point) => [point.connections, point[field]]));
  return {
    mechanism,
    points,
    heapBytes: slope("heapUsed"),
    externalBytes: slope("external"),
    rssBytes: slope("rss"),
  };
}

async function grow(population, step, steps) {
  const points = [];
  for (let held = step; held <= step * steps; held += step) {
    await population.connect(step);
    await sleep(SETTLED_AFTER_MS);
    points.push({ connections: held, ...(await population.ask("heap")) });
  }
  return points;
}

function beyond(row, rows) {
  const find = (mechanism) => rows.find((other) => other.mechanism === mechanism);
  const base = find(MECHANISMS[row.mechanism].base);
  return {
    heapBeyond: row.heapBytes - base.heapBytes,
    rssBeyond: row.rssBytes - base.rssBytes,
    heapBeyondTcp: row.heapBytes - find("tcp").heapBytes,
  };
}

export function table({ rows }) {
  const own = rows.find(({ mechanism }) => mechanism === "watchServer").heapBeyond;
  return [
    [
      "",
      "heap beyond / watchServer's",
      "heap beyond",
      "heap beyond TCP",
      "heap",
      "RSS beyond",
      "RSS",
    ],
    ...rows.map((row) => [
      MECHANISMS[row.mechanism].title,
      MECHANISMS[row.mechanism].base === row.mechanism ? "" : (row.heapBeyond / own).toFixed(2),
      `${Math.round(row.heapBeyond)} B`,
      `${Math.round(row.heapBeyondTcp)} B`,
      `${Math.round(row.heapBytes)} B`,
      `${Math.round(row.rssBeyond)} B`,
      `${Math.round(row.rssBytes)} B`,
    ]),
  ];
}

export function targets({ rows }) {
  return ["watchServer", "watch"].map((mechanism) => {
    const { heapBeyond } = rows.find((row) => row.mechanism === mechanism);
    return {
      what: `heap beyond the socket, ${MECHANISMS[mechanism].title}`,
      measured: `${Math.round(heapBeyond)} B`,
      target: `<= ${MOST_BYTES} B, aim ${AIM_BYTES} B`,
      isMet: heapBeyond <= MOST_BYTES,
    };
  });
}
