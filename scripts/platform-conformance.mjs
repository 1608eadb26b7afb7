// What halfopen promises of this system, tried on it: `npm run build && node
// scripts/platform-conformance.mjs`. Loopback only, a few seconds, no privilege. One line a
// capability, then one line of JSON to send with a report. Exit code 1 when something is broken.
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { writeSync } from "node:fs";
import { connect, createServer } from "node:net";

const built = (path) => import(new URL(`../dist/${path}`, import.meta.url).href);
const {
  capabilities,
  getKeepalive,
  nudge,
  plan,
  predict,
  readTcpInfo,
  setKeepalive,
  setUserTimeout,
  watch,
  watchServer,
} = await built("index.js");

const server = createServer((socket) => socket.on("error", () => {}).pipe(socket));
server.listen(0, "127.0.0.1");
await once(server, "listening");

async function open() {
  const socket = connect(server.address().port, "127.0.0.1");
  await once(socket, "connect");
  return socket.on("error", () => {});
}

function assert(isTrue, what) {
  if (!isTrue) throw new Error(what);
}

/** The peer sends back what it gets. */
async function echo(socket) {
  const answer = once(socket, "data");
  socket.write("ping");
  await answer;
}

const able = capabilities();
const has = (name) => (able[name].available ? null : able[name].why);
/** Each: why this system has it not, or `null`; and the proof that what it has works. */
const PROMISES = {
  keepalive: [
    has("keepalive"),
    async () => {
      const socket = await open();
      const wanted = { idleMs: 9000, intervalMs: 3000, count: 10 };
      const applied = setKeepalive(socket, wanted);
      assert(
        JSON.stringify({ ...wanted, ...applied, enabled: true }) ===
          JSON.stringify({ ...wanted, enabled: true }),
        JSON.stringify(applied),
      );
      assert(
        getKeepalive(socket).idleMs === 9000 && getKeepalive(socket).enabled,
        "what was set is not what is read",
      );
      assert(!setKeepalive(socket, false).enabled, "it cannot be switched off");
    },
  ],
  userTimeout: [
    has("userTimeout"),
    async () => {
      const taken = setUserTimeout(await open(), 7000);
      assert(taken === 7000, `asked for 7000 ms, the system took ${taken}`);
    },
  ],
  tcpInfo: [
    has("tcpInfo"),
    async () => {
      const socket = await open();
      await echo(socket);
      const info = readTcpInfo(socket);
      assert(info.state === "ESTABLISHED", `state ${info.state}`);
      assert(info.rttMs > 0 && info.rttMs < 1000, `rttMs ${info.rttMs}`);
      assert(info.sendWindowBytes > 0, `sendWindowBytes ${info.sendWindowBytes}`);
      assert(
        info.bytesReceived === undefined || info.bytesReceived === 4,
        `bytesReceived ${info.bytesReceived}`,
      );
    },
  ],
  nudge: [
    has("nudge"),
    async () => {
      const socket = await open();
      await new Promise((resolve) => setTimeout(resolve, 1300));
      const { answered, why } = await nudge(socket);
      assert(answered, why);
    },
  ],
  rtoMax: [
    has("rtoMax") ?? has("nudge"), // watch sets it where it has the kernel's evidence
    async () => {
      const w = watch(await open(), { detectWithinMs: 10_000 });
      assert(w.applied.rtoMaxMs >= 1000, `rtoMaxMs ${w.applied.rtoMaxMs}`);
      w.close();
    },
  ],
  shortBudgets: [
    has("shortBudgets"),
    async () => {
      const socket = await open();
      const w = watch(socket, { detectWithinMs: 500, heartbeat: () => echo(socket) });
      await new Promise((resolve) => setTimeout(resolve, 1000));
      assert(w.state === "alive" && w.rttMs !== null, `state ${w.state}, answer ${w.rttMs} ms`);
      w.close();
    },
  ],
  localPath: [
    has("localPath"),
    async () => {
      const { examineLocalPath } = await built("kernel/netlink/local-path.js");
      const path = examineLocalPath({ localAddress: "127.0.0.1", remoteAddress: "127.0.0.1" });
      assert(path.hasRoute && path.linkUp && path.hasSourceAddress, JSON.stringify(path));
    },
  ],
  watch: [
    null,
    async () => {
      const socket = await open();
      const w = watch(socket, { detectWithinMs: 12_000 });
      const { level, detectWithinMs } = w.applied;
      assert(
        level ===
          (able.nudge.available ? "kernel" : able.keepalive.available ? "keepalive" : "core"),
        `level ${level}`,
      );
      assert(detectWithinMs.idle === 12_000, `budget ${detectWithinMs.idle}`);
      const closed = once(w, "close");
      socket.end();
      assert((await closed)[0].state !== "dead", "an orderly end was called a death");
    },
  ],
  watchServer: [
    null,
    async () => {
      const watched = watchServer(server, { detectWithinMs: 12_000 });
      const socket = await open();
      await echo(socket);
      assert(watched.size > 0, "an accepted connection is not watched");
      watched.close();
    },
  ],
  heartbeat: [
    null,
    async () => {
      const socket = await open();
      let beats = 0;
      const heartbeat = () => echo(socket).then(() => beats++);
      const w = watch(socket, { detectWithinMs: 2500, heartbeat });
      while (beats === 0) await new Promise((resolve) => setTimeout(resolve, 50));
      assert(w.state === "alive", `state ${w.state}`);
      w.close();
    },
  ],
  plan: [
    null,
    async () =>
      assert(
        plan({ detectWithinMs: 30_000 }).perPlatform[process.platform] !== undefined,
        "no settings for it",
      ),
  ],
  predict: [
    null,
    async () => {
      const keepalive = { idleMs: 9000, intervalMs: 3000, count: 10 };
      const { idle } = predict({ platform: process.platform, keepalive });
      assert(idle.bestMs >= 30_000 && idle.worstMs < 45_000, JSON.stringify(idle));
    },
  ],
  system: [
    await refusal(readSystem),
    async () => {
      const settings = await readSystem();
      assert(
        settings.idleMs >= 1000 && settings.intervalMs >= 1000 && settings.count >= 1,
        JSON.stringify(settings),
      );
    },
  ],
  audit: [
    await refusal(() => audited(server.address().port)),
    async () => {
      const { localPort } = await open();
      const [own] = await audited(localPort);
      assert(
        own?.state === "ESTABLISHED" && own.pid === process.pid,
        `a connection of this process: ${JSON.stringify(own)}`,
      );
    },
  ],
};

async function readSystem() {
  const { systemSettings } = await built("kernel/system/system-settings.js");
  return systemSettings(process.platform, (file, args) =>
    execFileSync(file, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] }),
  ).read();
}

async function audited(localPort) {
  const [{ takeAudit }, { MATCH_ALL }, { machinePort }] = await Promise.all(
    ["audit/audit.js", "survey/connection-filter.js", "cli/linux-only.js"].map(built),
  );
  const audit = takeAudit(machinePort("audit"), {
    filter: { ...MATCH_ALL, localPorts: [localPort] },
    allNamespaces: false,
    detectWithinMs: 10_000,
  });
  return [...audit.connections()];
}

/** Why the system has not what it takes, `null` when it has, or when what fails is ours. */
async function refusal(call) {
  try {
    await call();
    return null;
  } catch (error) {
    return error.constructor.name === "NotPossibleHere" || error.code === "ERR_NOT_SUPPORTED"
      ? error.message
      : null;
  }
}

const results = {};
for (const [name, [whyNot, proof]] of Object.entries(PROMISES)) {
  results[name] = whyNot === null ? "works" : "no";
  let said = whyNot ?? "";
  if (whyNot === null) {
    try {
      await Promise.race([
        proof(),
        new Promise((_, reject) =>
          setTimeout(() => reject(new Error("no end within 10 s")), 10_000).unref(),
        ),
      ]);
    } catch (error) {
      [results[name], said] = ["broken", error instanceof Error ? error.message : String(error)];
      process.exitCode = 1;
    }
  }
  // Not console.log: under Wine it needs a pipe that Node knows.
  writeSync(1, `${results[name].padEnd(6)} ${name}${said && `: ${said}`}\n`);
}
const { platform, kernel, node, backEnd } = able;
writeSync(
  1,
  `${JSON.stringify({ platform, arch: process.arch, kernel, node, backEnd, results })}\n`,
);
process.exit(process.exitCode ?? 0);
