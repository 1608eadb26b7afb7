// What happens to the network of the soak, one thing after the other.
import { setTimeout as sleep } from "node:timers/promises";
import { FIRST_PORT } from "./part.mjs";

const EVERY_BUDGETS = 4;
/** In this order, again and again. */
const OUTAGES = ["outage of all", "outage of half"];
const OUTAGES_AND_SLOW_PATHS = ["outage of all", "bufferbloat", "outage of half", "delay step"];

/** Adds what was done to `done`. */
export async function disturb(network, terms, forMs, done) {
  const { budgetMs, lossRatio, isLossyInOutages, hasSlowPaths } = terms;
  const disturbances = hasSlowPaths ? OUTAGES_AND_SLOW_PATHS : OUTAGES;
  const end = done.length + Math.floor(forMs / (EVERY_BUDGETS * budgetMs));
  while (done.length < end) {
    const what = disturbances[done.length % disturbances.length];
    await network.lose(lossRatio);
    await sleep((EVERY_BUDGETS - budgetsOf(what, terms) - 2) * budgetMs);
    if (!isLossyInOutages) await network.lose(0);
    await sleep(budgetMs);
    await carryOut(what, network, terms);
    done.push(what);
  }
  await network.lose(lossRatio);
}

export function isOutage(what) {
  return what.startsWith("outage");
}

function budgetsOf(what, { outageBudgets, slowBudgets }) {
  return isOutage(what) ? outageBudgets : slowBudgets;
}

/** And the time in which everybody is heard again. */
export async function carryOut(what, network, terms) {
  const { budgetMs, delayBudgets, uploads } = terms;
  const forMs = budgetsOf(what, terms) * budgetMs;
  if (what === "bufferbloat") await network.bloat(FIRST_PORT, uploads, forMs);
  else if (what === "delay step") await network.stepDelay(delayBudgets * budgetMs, forMs);
  else {
    await network.silence(what === "outage of all" ? "all" : "half");
    await sleep(forMs);
    await network.heal();
  }
  await sleep(budgetMs);
}
