// The watching side of the loss bench: opens connections, watches each, and keeps a record of what
// was said of it.
//   node subject.mjs PORT DETECT_WITHIN_MS
import { once } from "node:events";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { watch } from "../../dist/index.js";
import { serve } from "../soak/asked.mjs";

const [port, detectWithinMs] = process.argv.slice(2).map(Number);
const MESSAGE = "a small message\n";
const verdicts = new Map();
const watchers = new Map();
/** Those whose socket ended; with a verdict, before or right behind. */
const closed = new Map();
let [suspicions, refuted] = [0, 0];

/** Of the monotonic clock of the machine, which all processes share. */
function now() {
  return Number(process.hrtime.bigint()) / 1e6;
}

async function open({ id, host, afterMs, talkEveryMs }) {
  await sleep(afterMs);
  const socket = connect({ port, host });
  let code = null;
  socket
    .on("error", (/** @type {NodeJS.ErrnoException} */ error) => {
      code = error.code;
    })
    .on("close", () => {
      watchers.delete(id);
      closed.set(id, { id, at: now(), code });
    })
    .resume();
  await once(socket, "connect");
  const w = watch(socket, { detectWithinMs, label: id })
    .on("suspect", () => suspicions++)
    .on("alive", () => refuted++)
    .on("dead", (diagnosis) => verdicts.set(id, { id, at: now(), ...told(diagnosis) }));
  watchers.set(id, w);
  if (talkEveryMs !== null) talk(socket, talkEveryMs);
}

/** Each pause is drawn anew, so that nobody is in step with anybody. */
function talk(socket, everyMs) {
  const later = () => setTimeout(say, everyMs * (0.5 + Math.random()));
  let timer = later();
  function say() {
    socket.write(MESSAGE);
    timer = later();
  }
  socket.on("close", () => clearTimeout(timer));
}

function told({ cause, certainty, silentForMs, why, unknown, overdue, evidence }) {
  const { unansweredAttempts: attempts, lossRatio, tcpInfo, errorCode } = evidence;
  const rttMs = tcpInfo?.rttMs ?? null;
  return {
    cause,
    certainty,
    silentForMs,
    why,
    unknown,
    isOverdue: Boolean(overdue),
    attempts,
    lossRatio,
    rttMs,
    errorCode,
  };
}

serve({
  async open(connections) {
    await Promise.all(connections.map(open));
  },
  record: () => ({
    verdicts: [...verdicts.values()],
    unjudged: [...closed.values()].filter(({ id }) => !verdicts.has(id)),
    suspicions,
    refuted,
    living: watchers.size,
    cpuUs: process.cpuUsage(),
  }),
  /** What is learned and promised of those that live. */
  known: () =>
    [...watchers].map(([id, w]) => ({
      id,
      state: w.state,
      lossRatio: w.diagnosis.evidence.lossRatio,
      detectWithinMs: w.applied?.detectWithinMs ?? null,
    })),
});
