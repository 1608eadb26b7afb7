// (g) How soon peers that are cut off are found, by the number of connections and what else goes
// on.
import { quantile } from "../scale/statistics.mjs";
import { detectionTargets, measureCut } from "./soak.mjs";

const CALM = { churnPerSecond: 0, questionsPerSecond: 0, inFlight: 0, lossRatio: 0 };
const SUBJECTS = {
  few: { title: "1,000 connections, idle", settings: { ...CALM, connections: 1000, cut: 500 } },
  many: { title: "15,000 connections, idle", settings: { ...CALM, connections: 15_000 } },
  lossy: {
    title: "the same, 1 % loss each way",
    settings: { ...CALM, connections: 15_000, lossRatio: 0.01 },
  },
  traffic: {
    title: "and with traffic, in flight and not, 100 come and go a second",
    settings: { connections: 15_000 },
  },
  busy: {
    title: "and the server's loop half busy with other work, 20 ms at a time",
    settings: { connections: 15_000, busyShare: 0.5 },
  },
};

export const title = "Detection time under load";
export const method =
  "The network and the peers of the soak, without outages. 1,000 peers (500 of the 1,000) are cut off at once, each at its own phase; time from before the " +
  "cut to the event `dead`.";

export async function measure({ only = Object.keys(SUBJECTS) } = {}) {
  const rows = [];
  for (const name of only) {
    const { budgetMs, doomed, found, detection, times, falseAlarms } = await measureCut(
      SUBJECTS[name].settings,
    );
    rows.push({
      name,
      budgetMs,
      doomed,
      found,
      detection,
      times: times.map(Math.round),
      falseAlarms,
    });
  }
  return { rows };
}

export function table({ rows }) {
  const share = (ms, { budgetMs }) => `${(ms / budgetMs).toFixed(2)}`;
  return [
    [
      "",
      "p99 / budget",
      "last / budget",
      "p1",
      "p50",
      "p90",
      "p99",
      "last",
      "found",
      "false alarms",
    ],
    ...rows.map((row) => {
      const { name, times, detection, found, doomed, falseAlarms } = row;
      const at = (p) => `${Math.round(quantile(times, p))} ms`;
      return [
        SUBJECTS[name].title,
        share(detection.p99Ms, row),
        share(detection.maxMs, row),
        ...[0.01, 0.5, 0.9, 0.99].map(at),
        `${Math.round(detection.maxMs)} ms`,
        `${found} of ${doomed}`,
        String(falseAlarms.length),
      ];
    }),
  ];
}

export function targets({ rows }) {
  return rows.flatMap(({ name, budgetMs, detection, found, doomed }) => [
    ...detectionTargets(detection, budgetMs).map((target) => ({
      ...target,
      what: `${SUBJECTS[name].title}: ${target.what}`,
    })),
    {
      what: `${SUBJECTS[name].title}: found`,
      measured: `${found} of ${doomed}`,
      target: "all",
      isMet: found === doomed,
    },
  ]);
}
