// One run: connections over the lab's wire, clean at first, then with loss, then all cables are
// pulled. See README.md beside this file.
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { World } from "../../dist/lab/world.js";
import { quantile } from "../scale/statistics.mjs";
import { askerOf } from "../soak/asked.mjs";

const PORT = 7000;
/** Where each peer has an address of its own, they are on this net, behind the right host. */
const PEERS = "10.81.0.0/16";
/**
 * Connections are opened over such a time, each at a random instant: what the kernel asks of them
 * must not be in step.
 */
const OPENING_MS = 1500;
const POLL_MS = 50;
/** How late beyond the budget a verdict may come: ticks, the kernel's timers, and the machine. */
export const GRACE_MS = 250;
export const TRAFFICS = ["idle", "talking", "mixed"];

export const DEFAULTS = {
  connections: 300,
  detectWithinMs: 5000,
  /** Share of the packets that is lost each way. */
  loss: 0.01,
  /** Mean length of a burst in which everything is lost; `null`: each packet for itself. */
  burstMs: /** @type {number | null} */ (null),
  /** One way. */
  delayMs: 0,
  traffic: "idle",
  talkEveryMs: 1000,
  /** How many addresses the connections go to. */
  peers: 1,
  warmUpMs: 5000,
  forMs: 60_000,
  /** Whoever is not found so long after the cut counts as not found. */
  findWithinMs: 60_000,
};

/**
 * @typedef {{
 *   id: string, cause: string, certainty: string, attempts: number, lossRatio: number, silentForMs:
 *   number | null, rttMs: number | null, isOverdue: boolean,
 *   errorCode: string | null, why: string[], unknown: string[], afterLossMs: number, afterCutMs:
 *   number
 * }} Verdict
 */

/** @param {Partial<typeof DEFAULTS>} settings */
export async function measureLoss(settings = {}) {
  const terms = { ...DEFAULTS, ...settings };
  const world = await World.open();
  try {
    return await measureIn(world, terms);
  } finally {
    await world.close();
  }
}

/**
 * @param {World} world
 * @param {typeof DEFAULTS} terms
 */
async function measureIn(world, terms) {
  const network = await world.network({
    variant: "wire",
    wire: { delayMs: terms.delayMs, seed: Math.floor(Math.random() * 2 ** 31) },
  });
  await network.run("right", ["ip", "route", "add", "local", PEERS, "dev", "lo"]);
  await network.run("left", ["ip", "route", "add", PEERS, "via", network.address("right")]);
  const program = (name) => [process.execPath, fileURLToPath(new URL(name, import.meta.url))];
  await askerOf(await network.spawn("right", [...program("peers.mjs"), `${PORT}`]));
  const argv = [...program("subject.mjs"), `${PORT}`, `${terms.detectWithinMs}`];
  const ask = await askerOf(await network.spawn("left", argv, { unprivileged: true }));

  const connections = connectionsOf(terms, network.address("right"));
  const talkers = new Set(
    connections.filter(({ talkEveryMs }) => talkEveryMs !== null).map(({ id }) => id),
  );
  await ask("open", connections);
  await sleep(terms.warmUpMs);
  const law =
    terms.burstMs === null ? terms.loss : { meanBurstMs: terms.burstMs, burstShare: terms.loss };
  const clean = await network.setWire({});
  const before = await ask("record");
  const lossAt = nowMs();
  await network.setWire({ lossOut: law, lossIn: law });
  await sleep(terms.forMs);

  const lossy = await network.setWire({});
  const after = await ask("record");
  const known = await ask("known");
  const cutAt = nowMs();
  await network.pullCable();
  const ended = await allFound(ask, cutAt + terms.findWithinMs);

  /** @type {Verdict[]} */
  const verdicts = ended.verdicts.map((verdict) => ({
    ...verdict,
    afterLossMs: verdict.at - lossAt,
    afterCutMs: verdict.at - cutAt,
  }));
  const found = verdicts.filter(({ afterCutMs }) => afterCutMs >= 0);
  return {
    ...terms,
    wire: { clean, lossy: since(clean, lossy) },
    falseAlarms: verdicts.filter(({ afterCutMs }) => afterCutMs < 0),
    unjudged: ended.unjudged.map(({ at, ...it }) => ({
      ...it,
      afterLossMs: at - lossAt,
      afterCutMs: at - cutAt,
    })),
    suspicions: after.suspicions - before.suspicions,
    refuted: after.refuted - before.refuted,
    cpuMs: (after.cpuUs.user + after.cpuUs.system - before.cpuUs.user - before.cpuUs.system) / 1000,
    learned: summary(known.map(({ lossRatio }) => lossRatio)),
    promisedMs: summary(known.map(({ detectWithinMs }) => detectWithinMs?.idle ?? Number.NaN)),
    /** Of those that talk, each beside when it was found after it was last heard. */
    inFlight: found.flatMap(({ id, silentForMs }) => {
      const promisedMs = known.find((one) => one.id === id && talkers.has(id))?.detectWithinMs
        ?.inFlight;
      return promisedMs === undefined || silentForMs === null
        ? []
        : [{ promisedMs, foundMs: silentForMs }];
    }),
    cut: known.length,
    found: found.length,
    detection: summary(found.map(({ afterCutMs }) => afterCutMs)),
    /** Ended by the kernel's own timers, which are only to stand in for us. */
    endedByKernel: found.filter(({ errorCode }) => errorCode !== null).length,
    late: found.filter(({ afterCutMs }) => afterCutMs > terms.detectWithinMs + GRACE_MS).length,
    overdue: found.filter(({ isOverdue }) => isOverdue).length,
    certainties: Object.fromEntries(
      ["certain", "high", "medium"].map((name) => [
        name,
        found.filter(({ certainty }) => certainty === name).length,
      ]),
    ),
    foundLast: found.at(-1) ?? null,
  };
}

function connectionsOf({ connections, peers, traffic, talkEveryMs }, only) {
  return Array.from({ length: connections }, (_, i) => {
    const number = 1 + (i % peers);
    return {
      id: `${i}`,
      host: peers === 1 ? only : `10.81.${number >> 8}.${number & 255}`,
      afterMs: Math.random() * OPENING_MS,
      talkEveryMs:
        traffic === "talking" || (traffic === "mixed" && i % 2 === 1) ? talkEveryMs : null,
    };
  });
}

async function allFound(ask, until) {
  for (;;) {
    const record = await ask("record");
    if (record.living === 0 || nowMs() > until) return record;
    await sleep(POLL_MS);
  }
}

function since(before, after) {
  return { out: less(after.out, before.out), in: less(after.in, before.in) };
}

function less(after, before) {
  return {
    passed: after.passed - before.passed,
    lost: after.lost - before.lost,
    lostInARow: after.lostInARow - before.lostInARow,
    spilt: after.spilt - before.spilt,
  };
}

function summary(values) {
  if (values.length === 0) return null;
  return {
    p50: quantile(values, 0.5),
    p95: quantile(values, 0.95),
    p99: quantile(values, 0.99),
    max: Math.max(...values),
  };
}

function nowMs() {
  return Number(process.hrtime.bigint()) / 1e6;
}
