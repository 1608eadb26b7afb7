// Watches one connection with an instrumented copy of the package, and says on standard output what
// each check entered. See run.mjs.
import { once } from "node:events";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

const BUDGET_MS = 5000;
const { HALFOPEN_COPY = "", PEER, PORT } = process.env;
const { watch } = await import(HALFOPEN_COPY);

const socket = connect(Number(PORT), PEER);
await once(socket, "connect");
socket.resume().on("error", () => {});
socket.write("once");

/** The check that runs just now. */
let check = null;
const checks = [];
Object.assign(globalThis, {
  __begin: () => {
    check = { state: "alive", entered: [] };
    checks.push(check);
  },
  __end: () => {
    check = null;
  },
  __entered: (file, name) => check?.entered.push([file, name]),
});
const note = (state) => () => {
  if (check) check.state = state;
};

const w = watch(socket, { detectWithinMs: BUDGET_MS });
w.on("suspect", note("suspect")).on("dead", note("dead"));
// The first checks learn of the path; a few answered probes later all is routine.
await sleep(2.5 * BUDGET_MS);
console.log("calm");
await once(w, "dead");
await sleep(20);
for (const check of checks) console.log(JSON.stringify(check));
process.exit(0);
