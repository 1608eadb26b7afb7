// Thousands of connections, watched for minutes on a bad network: nobody alive may be called dead;
// then a thousand are cut off at once.
import { setTimeout as sleep } from "node:timers/promises";
import { quantile } from "../scale/statistics.mjs";
import { carryOut, disturb, isOutage } from "./disturbances.mjs";
import { SoakNetwork } from "./network.mjs";
import { Part } from "./part.mjs";

/** How late beyond the budget a verdict may come: ticks, the kernel's timers, and the machine. */
const GRACE_MS = 250;
/** Sockets begin with a closer look than routine. */
const SETTLE_BUDGETS = 1.5;
/** A pause that a program feels. */
const LONG_MS = 5;
/** A cut peer is waited for so long beyond its budget. */
const LATEST_BUDGETS = 5;
const HEAP_EVERY_MS = 60_000;
/** Behind an outage much is open for a while. */
const CALM_BUDGETS = 2;

const DEFAULTS = {
  connections: 15_000,
  processes: 1,
  budgetMs: 5000,
  /** Ten minutes by `--set soakMs=600000`. */
  soakMs: 60_000,
  churnPerSecond: 100,
  questionsPerSecond: 500,
  inFlight: 50,
  /** Of its time the server is busy with other work, in pieces of 20 ms. */
  busyShare: 0,
  lossRatio: 0.01,
  /** 0.4 is promised to be survived, and cutting and healing take a moment. */
  outageBudgets: 0.38,
  isLossyInOutages: false,
  /** Adds bufferbloat and delay steps. Dead peers are found later then. */
  hasSlowPaths: false,
  /** How long the round trip of everybody is longer, and by how much where it jumps. */
  slowBudgets: 2,
  delayBudgets: 0.35,
  /** One fills the queue by some 4 s, four of them by some 8 s. */
  uploads: 1,
  /** Has V8 tell of each step of its marking, which no performance entry does. */
  tracesMarking: false,
  cut: 1000,
};

export const title = "Soak";
export const method =
  "Servers watch every connection they accept; each peer has an address of its own behind a router. In turn the router loses 1 % of the packets each " +
  `way, and nothing gets through for ${DEFAULTS.outageBudgets} budgets, for all peers or for every second one; for a budget before and behind that nothing else ` +
  "is lost (`--set isLossyInOutages=true`: it is). `--set hasSlowPaths=true`: in turn with that, uploads fill its queue for " +
  `${DEFAULTS.slowBudgets} budgets, and the round trip jumps by ${DEFAULTS.delayBudgets} budgets. ` +
  " Connections come and go, ended by either side; questions and answers; data in flight. Own time: for how " +
  "long halfopen keeps the event loop in one go, with what it puts off to the next ticks, as processor time of the thread; the control is measured alike. What " +
  "of it was the kernel's work in softirqs, for packets and timers of everybody, is traced where that is allowed (root). Heap after collection, two budgets " +
  "behind an outage and without loss, with the same number of connections, from behind a first outage on. In the end some peers are cut off at once under the same load, with loss; " +
  "detection counts from before the cut. Then every living peer asks, and must be answered.";

export async function measure(settings = {}) {
  const terms = { ...DEFAULTS, ...settings };
  return withParts(terms, async (network, all) => {
    // What an outage taught of a path is kept for a while: that is no leak.
    await carryOut("outage of all", network, terms);
    const soaked = await soak(network, all, terms);
    const cut = await cutOff(network, all, terms);
    const records = await all((part) => part.record());
    const total = (name) => records.reduce((sum, record) => sum + record[name], 0);
    return {
      ...terms,
      ...soaked,
      ...cut,
      falseAlarms: [...soaked.falseAlarms, ...cut.falseAlarms],
      churned: total("connected") - terms.connections,
      suspicions: total("suspicions"),
      unhandled: total("unhandled"),
      markingSteps: (await all(({ markingSteps }) => markingSteps))
        .flat()
        .filter((ms) => ms > LONG_MS),
      problems: records.flatMap(({ problems }) => problems),
    };
  });
}

/** Without a soak before: only how soon those who are cut off are found. */
export async function measureCut(settings) {
  const terms = { ...DEFAULTS, ...settings };
  return withParts(terms, async (network, all) => {
    await network.lose(terms.lossRatio);
    return { ...terms, ...(await cutOff(network, all, terms)) };
  });
}

async function withParts(terms, work) {
  const network = await SoakNetwork.open();
  const parts = [];
  const all = (what) => Promise.all(parts.map(what));
  try {
    for (let i = 0; i < terms.processes; i++) parts.push(await Part.start(network, i, terms));
    await all((part) => part.connect(terms.connections / terms.processes));
    await sleep(SETTLE_BUDGETS * terms.budgetMs);
    return await work(network, all);
  } finally {
    await all((part) => part.end());
    await network.close();
  }
}

/** What each process is asked to do. */
function share({ processes, churnPerSecond, questionsPerSecond, inFlight, busyShare }) {
  return {
    busyShare,
    churnPerSecond: churnPerSecond / processes,
    questionsPerSecond: questionsPerSecond / processes,
    inFlight: Math.ceil(inFlight / processes),
  };
}

async function soak(network, all, terms) {
  // Who has just lost a probe is judged, and that takes memory: so nothing is lost for a while.
  const heap = async () => {
    await network.lose(0);
    await sleep(CALM_BUDGETS * terms.budgetMs);
    const bytes = await all((part) => part.heap());
    await network.lose(terms.lossRatio);
    return bytes;
  };
  // A socket that has carried data is larger than one that has not.
  await all((part) => part.rollCall());
  const heaps = [await heap()];
  await all((part) => part.ownTime());
  const before = await all((part) => part.cpuUs());
  const done = [];
  let missing = 0;
  for (let left = terms.soakMs; left > 0; left -= HEAP_EVERY_MS) {
    const forMs = Math.min(left, HEAP_EVERY_MS);
    await Promise.all([
      all((part) => part.load(share(terms), forMs)),
      disturb(network, terms, forMs, done),
    ]);
    heaps.push(await heap());
    missing = (await all((part) => part.missing())).reduce((sum, its) => sum + its, 0);
  }
  const after = await all((part) => part.cpuUs());
  return {
    outages: done.filter(isOutage).length,
    slowPaths: done.filter((what) => !isOutage(what)).length,
    missing,
    heaps,
    heapGrowth: Math.max(...heaps.at(-1).map((bytes, i) => bytes / heaps[0][i])),
    cpuShare: Math.max(...after.map((us, i) => (us - before[i]) / 1000 / terms.soakMs)),
    ownTime: worst(await all((part) => part.ownTime())),
    falseAlarms: (await all((part) => part.verdicts())).flat(),
  };
}

async function cutOff(network, all, terms) {
  const { budgetMs } = terms;
  const doomed = (await all((part) => part.doom(terms.cut / terms.processes))).flat();
  await network.choose(doomed);
  const leadMs = budgetMs / 4;
  const loaded = all((part) => part.load(share(terms), leadMs + budgetMs + GRACE_MS));
  await sleep(leadMs);
  const cutAt = await network.silence("chosen");
  await loaded;
  const isDoomed = new Set(doomed);
  // On a path that is known for loss a verdict may come well behind the budget.
  let verdicts = [];
  for (
    let waited = 0;
    waited < LATEST_BUDGETS &&
    !doomed.every((address) => verdicts.some((it) => it.address === address));
    waited += 0.5
  ) {
    await sleep(budgetMs / 2);
    verdicts = verdicts.concat(...(await all((part) => part.verdicts())));
  }
  const rollCalls = await all((part) => part.rollCall());
  const ends = verdicts
    .filter(({ address }) => isDoomed.has(address))
    .map((verdict) => ({ ...verdict, ms: verdict.at - cutAt }));
  const times = ends.map(({ ms }) => ms);
  return {
    doomed: doomed.length,
    found: times.length,
    times,
    foundLate: ends.filter(({ ms }) => ms > budgetMs + GRACE_MS),
    detection: {
      p50Ms: quantile(times, 0.5),
      p99Ms: quantile(times, 0.99),
      maxMs: Math.max(...times),
    },
    ownTimeOfCut: worst(await all((part) => part.ownTime())),
    living: rollCalls.reduce((sum, { living }) => sum + living, 0),
    answered: rollCalls.reduce((sum, { answered }) => sum + answered, 0),
    falseAlarms: verdicts.filter(({ address }) => !isDoomed.has(address)),
  };
}

/** Of all processes. */
function worst(ownTimes) {
  const controls = ownTimes.map(({ control }) => control);
  return {
    ...worstOf(ownTimes, ["p50Ms", "p99Ms", "maxMs"]),
    long: ownTimes.flatMap(({ long }) => long),
    control: worstOf(controls, ["p50Ms", "maxMs"]),
  };
}

function worstOf(parts, names) {
  const most = names.map((name) => [name, Math.max(...parts.map((it) => it[name]))]);
  return {
    stretches: parts.reduce((sum, { stretches }) => sum + stretches, 0),
    ...Object.fromEntries(most),
  };
}

export function table(result) {
  const { ownTime, ownTimeOfCut } = result;
  const own = ({ p50Ms, p99Ms, maxMs }) => `${ms(p50Ms)}, ${ms(p99Ms)}, ${ms(maxMs)}`;
  const { control } = ownTime;
  return [
    ["", "measured"],
    ["connections watched, in processes", `${result.connections}, ${result.processes}`],
    [
      "minutes, outages, slow paths, came and went",
      `${(result.soakMs / 60_000).toFixed(1)}, ${result.outages}, ${result.slowPaths}, ${result.churned}`,
    ],
    ["suspicions that were refuted", String(result.suspicions - result.found)],
    ["processor time of a server, with its load", `${(100 * result.cpuShare).toFixed(0)} %`],
    [
      `found after more than ${result.budgetMs + GRACE_MS} ms, and what was known of the path then`,
      result.foundLate.map(lateness).join("; ") || "none",
    ],
    ["own time in one go: p50, p99, longest", own(ownTime)],
    ["the same while those cut are found", own(ownTimeOfCut)],
    [
      `more than ${LONG_MS} ms in one go: of that softirqs, collections of garbage`,
      longOf(result).map(partsOf).join("; ") || "none",
    ],
    ...(result.tracesMarking
      ? [
          [
            `steps of V8's marking of more than ${LONG_MS} ms`,
            result.markingSteps.map(ms).join("; ") || "none",
          ],
        ]
      : []),
    [
      `500 bare readings of TCP_INFO (control): p50, longest of ${control.stretches}`,
      `${ms(control.p50Ms)}, ${ms(control.maxMs)}`,
    ],
  ];
}

export function targets(result) {
  const { budgetMs, detection } = result;
  const long = longOf(result).filter(({ ownMs, softirqMs }) => ownMs - softirqMs > LONG_MS).length;
  return [
    {
      what: "false alarms",
      measured: `${result.falseAlarms.length}`,
      target: "0",
      isMet: result.falseAlarms.length === 0,
    },
    {
      what: "ends that did not reach the other side",
      measured: `${result.missing}`,
      target: "0",
      isMet: result.missing === 0,
    },
    {
      what: "heap at the end / at the start",
      measured: result.heapGrowth.toFixed(3),
      target: "<= 1.05",
      isMet: result.heapGrowth <= 1.05,
    },
    {
      what: `times that halfopen alone kept the loop for more than ${LONG_MS} ms`,
      measured: `${long}`,
      target: "0",
      isMet: long === 0,
    },
    {
      what: "found, of those cut at once",
      measured: `${result.found} of ${result.doomed}`,
      target: "all",
      isMet: result.found === result.doomed,
    },
    ...detectionTargets(detection, budgetMs),
    {
      what: "living peers answered then",
      measured: `${result.answered} of ${result.living}`,
      target: "all",
      isMet: result.answered === result.living,
    },
  ];
}

export function detectionTargets({ p50Ms, p99Ms, maxMs }, budgetMs) {
  return [
    {
      what: "detection p50, p99",
      measured: `${ms(p50Ms)}, ${ms(p99Ms)}`,
      target: `<= ${budgetMs} ms`,
      isMet: p99Ms <= budgetMs,
    },
    {
      what: "the last of them",
      measured: ms(maxMs),
      target: `<= ${budgetMs + GRACE_MS} ms`,
      isMet: maxMs <= budgetMs + GRACE_MS,
    },
  ];
}

/** Stretches that were more than a program should feel. */
function longOf({ ownTime, ownTimeOfCut }) {
  return [ownTime, ownTimeOfCut].flatMap(({ long }) => long);
}

function lateness({ ms: afterMs, lossRatio, rttMs }) {
  return `${ms(afterMs)}: ${(100 * lossRatio).toFixed(0)} % lost, round trip ${ms(rttMs)}`;
}

function partsOf({ ms: inAll, ownMs, softirqMs }) {
  return `${ms(inAll)}: ${softirqMs === null ? "not traced" : ms(softirqMs)}, ${ms(inAll - ownMs)}`;
}

function ms(value) {
  return `${value.toFixed(value < 100 ? 1 : 0)} ms`;
}
