// The bare survey: no owners, no options. Says on standard error what it took without Node's start.
import { openPort } from "../../dist/kernel/port/open-port.js";
import { HANGING_STATES, takeSurvey } from "../../dist/survey/survey.js";

const port = openPort();
const started = performance.now();
const { table } = takeSurvey(port, {
  states: HANGING_STATES,
  withInfo: true,
  filter: [],
  allNamespaces: false,
});
const tookMs = performance.now() - started;
console.log(table.size);
console.error(`took ${tookMs}`);
