// A watched program and its unwatched twin do the same on a path that loses packets. See README.md
// beside this file.
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { inLab } from "../in-lab.mjs";
import { Comparison, TWINS } from "./comparison.mjs";
import { startMixedServers } from "./servers.mjs";

export const DEFAULTS = {
  forMs: 1_800_000,
  /** Share of the packets that is lost each way. */
  loss: 0.05,
  detectWithinMs: 5000,
  /** How long a watch asks a client that its program leaves idle. */
  askIdleForMs: 60_000,
};
const SEEDS = 2 ** 31;
/** Longer than any step: none that is held for long by the program is ended by a rule. */
const RULE_BUDGETS = 6;
/** The last steps end by themselves; the longest take 4 budgets, and more on a busy machine. */
const LAST_BUDGETS = 20;
const POLL_MS = 200;
const PROGRESS_MS = 30_000;
const PROGRAM = fileURLToPath(new URL("./program.mjs", import.meta.url));

/**
 * @param {Partial<typeof DEFAULTS & { seed: number }>} settings Without a seed one is drawn.
 * @param {(line: string) => void} onProgress
 */
export function measureMixed(settings = {}, onProgress = () => {}) {
  const terms = { ...DEFAULTS, seed: 1 + Math.floor(Math.random() * SEEDS), ...settings };
  const ruleMs = 1000 * Math.ceil((RULE_BUDGETS * terms.detectWithinMs) / 1000);
  const wire = { seed: terms.seed };
  return inLab({ variant: "wire", wire }, async (network, folder) => {
    onProgress("starts the servers");
    await startMixedServers(network, folder.path, ruleMs);
    const clean = await network.setWire({ lossOut: terms.loss, lossIn: terms.loss });
    const comparison = new Comparison();
    const programs = [];
    for (const twin of TWINS)
      programs.push(await startTwin(network, twin, { ...terms, ruleMs }, comparison));

    const lastMs = terms.forMs + LAST_BUDGETS * terms.detectWithinMs + terms.askIdleForMs + ruleMs;
    await untilDone(comparison, programs, lastMs, onProgress);
    const lossy = await network.setWire({});
    return resultOf({ ...terms, ruleMs }, comparison, {
      passed: lossy.out.passed + lossy.in.passed - clean.out.passed - clean.in.passed,
      lost: lossy.out.lost + lossy.in.lost - clean.out.lost - clean.in.lost,
    });
  });
}

async function startTwin(network, twin, terms, comparison) {
  const { detectWithinMs, ...more } = terms;
  const argument = { ...more, twin, budgetMs: detectWithinMs, host: network.address("right") };
  const argv = [process.execPath, PROGRAM, JSON.stringify(argument)];
  const program = await network.spawn("left", argv, { unprivileged: true });
  const it = { twin, program, hasEnded: false };
  program.onLine((line) => comparison.hear(twin, JSON.parse(line)));
  program.onExit(() => {
    it.hasEnded = true;
  });
  return it;
}

async function untilDone(comparison, programs, lastMs, onProgress) {
  const began = performance.now();
  let told = 0;
  for (;;) {
    const afterMs = performance.now() - began;
    const ended = programs.find(({ hasEnded }) => hasEnded);
    if (ended) throw new Error(`the ${ended.twin} twin ended: ${ended.program.errors.join("\n")}`);
    if (afterMs > lastMs || comparison.unfinished?.length === 0) return;
    if (afterMs >= told * PROGRESS_MS) {
      onProgress(`${Math.round(afterMs / 1000)} s: ${progressOf(comparison)}`);
      told++;
    }
    await sleep(POLL_MS);
  }
}

function progressOf({ compared, differing, verdicts, lost, suspicions, rules }) {
  const due = rules.filter(({ isDue }) => isDue).length;
  return (
    `${compared} steps compared, ${differing} differ; ${suspicions} suspicions, ` +
    `${verdicts.length} verdicts, ${lost.length} connections lost; ${due} of ${rules.length} rules held`
  );
}

/** @param {Comparison} comparison */
function resultOf(terms, comparison, packets) {
  const { verdicts, rules } = comparison;
  const isByRule = (verdict) =>
    verdict.cause === "peer-reset" && rules.some(({ lane }) => lane === verdict.lane);
  return {
    ...terms,
    packets,
    compared: comparison.compared,
    differing: comparison.differing,
    differences: comparison.differences,
    suspicions: comparison.suspicions,
    overdue: comparison.overdue,
    /** By the server's rule for idle clients, of which the watch only tells. */
    resets: verdicts.filter(isByRule),
    /** By the watch, or not watched at all. */
    ended: verdicts.filter((verdict) => !isByRule(verdict)),
    lost: comparison.lost,
    unfinished: comparison.unfinished ?? [],
    defeated: rules.filter(({ isDue }) => !isDue),
    rules: rulesOf(rules),
    lanes: comparison.lanes,
  };
}

/** How often and when each rule held, by client and twin. */
function rulesOf(rules) {
  const lanes = [...new Set(rules.map(({ lane }) => lane))].sort();
  return lanes.map((lane) => {
    const its = rules.filter((one) => one.lane === lane && one.isDue);
    const of = (twin) => {
      const times = its.filter((one) => one.twin === twin).map(({ afterMs }) => afterMs);
      return { held: times.length, firstMs: Math.min(...times), lastMs: Math.max(...times) };
    };
    return { lane, rule: rules.find((one) => one.lane === lane).rule, ...byTwin(of) };
  });
}

function byTwin(of) {
  return { watched: of("watched"), alone: of("alone") };
}

/** Whatever should not be. */
export function defectsOf(result) {
  const { differing, ended, lost, unfinished, defeated } = result;
  return [
    ["results differ", differing],
    ["live connections ended by halfopen, or not watched", ended.length],
    ["connections lost", lost.length],
    ["lanes that never ended", unfinished.length],
    ["rules for idle clients that did not hold when due", defeated.length],
  ];
}
