// Plays a world in real namespaces: two hosts, and the lab's cable in user space between them.
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const PORT = 7300;
/** Resting time before the world begins, and after its end. */
const BEGIN_MS = 100;
const END_MS = 500;
const program = (name) => [process.execPath, fileURLToPath(new URL(name, import.meta.url))];
const now = () => Number(process.hrtime.bigint()) / 1e6;

/**
 * @param {import("../../src/lab/world.ts").World} machine the lab's
 * @param {import("./world.ts").World} world
 * @param {typeof import("./real.ts")} oracle of the fuzzer
 */
export async function runReal(machine, world, oracle) {
  const network = await machine.network({
    variant: "wire",
    wire: { seed: world.seed, delayMs: 0 },
  });
  const processes = [];
  try {
    await prepare(network, world);
    const peer = await network.spawn("right", [...program("real-peer.mjs"), `${PORT}`]);
    processes.push(peer);
    await new Promise((resolve) => peer.onLine(resolve));
    const argv = [
      ...program("real-subject.mjs"),
      network.address("right"),
      `${PORT}`,
      JSON.stringify(world),
    ];
    const subject = await network.spawn("left", argv, { unprivileged: true });
    processes.push(subject);
    return await live(network, world, oracle, peer, subject);
  } finally {
    for (const it of processes) await it.signal("SIGKILL").catch(() => {});
    await network.setWire({ lossOut: 1, lossIn: 1 }).catch(() => {});
  }
}

async function prepare(network, { answersEveryMs, events }) {
  if (answersEveryMs !== 500) await network.limitProbeAnswers(answersEveryMs);
  if (events.some(({ is }) => is === "deaf")) await network.dropProbes();
  // A window that closes within moments.
  for (const [host, name] of [
    ["right", "tcp_rmem"],
    ["left", "tcp_wmem"],
  ])
    await network.run(host, ["sh", "-c", `echo 4096 65536 131072 > /proc/sys/net/ipv4/${name}`]);
}

async function live(network, world, oracle, peer, subject) {
  const lives = world.connections.map(() => ({
    words: [],
    endedAtMs: null,
    isKernels: false,
    atTheEnd: null,
    lostAt: [],
  }));
  const stalls = [];
  let goneKnown = () => {};
  const ports = await new Promise((resolve, reject) => {
    subject.onLine((line) => {
      const word = JSON.parse(line);
      if (word.ports) resolve(word.ports);
      else if (word.stall) stalls.push(word.stall);
      else if (word.event) heard(lives[word.on], word);
      else goneKnown(word);
    });
    subject.onExit(() => reject(new Error(`our program ended: ${subject.errors.join("\n")}`)));
  });

  const from = now() + BEGIN_MS;
  let untilMs = world.forMs;
  goneKnown = ({ on, detectWithinMs }) => {
    lives[on].atTheEnd = {
      detectWithinMs,
      leastAnswerGapMs: world.leastAnswerGapMs?.[on] ?? Number.POSITIVE_INFINITY,
    };
    const withinMs = oracle.findWithinMs(world, on, lives[on].atTheEnd) ?? 0;
    untilMs = Math.max(untilMs, oracle.goneAt(world, on) + oracle.graced(withinMs));
  };
  const goneAtMs = world.connections
    .map((_, on) => oracle.goneAt(world, on))
    .map((at) => (Number.isFinite(at) ? at : null));
  await subject.write(JSON.stringify({ at: from, goneAtMs }));

  const failures = [];
  for (const { atMs, happen } of timeline(network, world, oracle, peer, subject, ports)) {
    await sleep(Math.max(0, from + atMs - now()));
    happen().catch((error) => failures.push(error));
  }
  while (now() < from + untilMs + END_MS) {
    await sleep(200);
    if (lives.every(({ endedAtMs }) => endedAtMs !== null)) break;
  }
  for (const life of lives) life.endedAtMs ??= Number.POSITIVE_INFINITY;
  if (failures.length > 0) throw failures[0];
  return { lives, stalls };
}

function heard(life, word) {
  if (life.endedAtMs !== null) return;
  life.words.push(word);
  if (word.event !== "dead" && word.event !== "close") return;
  life.endedAtMs = word.atMs;
  life.isKernels = word.errorCode !== null;
}

/** What happens outside of our program, in order. */
function timeline(network, world, oracle, peer, subject, ports) {
  const happenings = [];
  const at = (atMs, happen) => {
    if (atMs < 600_000) happenings.push({ atMs, happen });
  };
  for (const atMs of oracle.wireChanges(world))
    at(atMs, () => network.setWire(oracle.wireAt(world, atMs)));
  for (const event of world.events) {
    if (event.is === "unread") {
      at(event.atMs, () => peer.write(`unread ${event.on}`));
      at(event.toMs, () => peer.write(`read ${event.on}`));
    } else if (event.is === "hung" || event.is === "paused") {
      const process = event.is === "hung" ? peer : subject;
      at(event.atMs, () => process.signal("SIGSTOP"));
      at(event.toMs, () => process.signal("SIGCONT"));
    } else if (event.is === "forgotten") at(event.atMs, () => forget(network, ports[event.on]));
  }
  return happenings.sort((a, b) => a.atMs - b.atMs);
}

function forget(network, port) {
  const rules = `chain in { type filter hook input priority 0; tcp sport ${port} drop; }; chain out { type filter hook output priority 0; tcp dport ${port} drop; };`;
  return network.run("right", ["nft", `table inet forgotten { ${rules} }`]);
}
