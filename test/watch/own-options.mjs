/**
 * Connections that are watched, probed, and left again while nothing gets through: `node
 * own-options.mjs serve` there, `node own-options.mjs HOST SCENE` here. Prints "connected". At the
 * line "cut" each does what its name says, at its time, and "left" follows when all have done it.
 * At the line "tell" each prints its state as one JSON line.
 */
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import {
  getKeepalive,
  getUserTimeout,
  nudge,
  setKeepalive,
  setUserTimeout,
  watch,
} from "../../dist/index.js";
import { readRtoMax } from "../../dist/kernel/options/rto-max.js";

const PORT = 7100;
const KEEPALIVE = { idleMs: 20_000, intervalMs: 1000, count: 3 };
/**
 * Time after which each is in a suspicion, with more probes unanswered than its own count, and not
 * dead yet.
 */
const AFTER_SUSPECT_MS = 2500;
const watched = (options) => (socket) => ({
  w: watch(socket, { detectWithinMs: 15_000, ...options }),
});

/** For each kind, what it does when connected, and `leave`, what it does when the cable is out. */
const SCENES = {
  "closed in a suspicion": {
    "watched no more": { begin: watched(), leave: ({ w }) => w.close() },
    aborted: {
      begin(socket) {
        const abort = new AbortController();
        return { abort, ...watched({ signal: abort.signal })(socket) };
      },
      leave: ({ abort }) => abort.abort(),
    },
    disposed: { begin: watched(), leave: ({ w }) => w[Symbol.dispose]() },
    "only reported": { begin: watched({ onDead: "report" }), leave: ({ w }) => w.close() },
    "watched twice": {
      begin: (socket) => ({
        w: watched()(socket).w,
        other: watch(socket, { detectWithinMs: 20_000, onDead: "report" }),
      }),
      leave({ w, other }) {
        other.close();
        w.close();
      },
    },
    "asked while it is left": {
      begin: watched(),
      async leave({ w, socket }) {
        const asked = nudge(socket, { timeoutMs: 1000 });
        await sleep(300);
        w.close();
        await asked;
      },
    },
    "asked in vain, then left": {
      begin: watched(),
      async leave({ w, socket }) {
        await nudge(socket, { timeoutMs: 500 });
        w.close();
      },
    },
    "left, watched again, left again": {
      begin: watched(),
      async leave({ w, socket }) {
        w.close();
        const again = watched()(socket).w;
        await sleep(500);
        again.close();
      },
    },
    "left, asked in vain, watched again, left again": {
      begin: watched(),
      async leave({ w, socket }) {
        w.close();
        const asked = nudge(socket, { timeoutMs: 500 });
        await sleep(200);
        const again = watched()(socket).w;
        await asked;
        again.close();
      },
    },
    "asked only": { begin: () => ({}), leave: ({ socket }) => nudge(socket, { timeoutMs: 500 }) },
  },
  "begun late": {
    "while data is repeated": {
      begin: () => ({}),
      async leave({ socket, one }) {
        socket.write("x");
        await sleep(3000);
        const w = watch(socket, { detectWithinMs: 5000 });
        one.whileWatched = { kernel: readRtoMax(socket._handle.fd), applied: w.applied.rtoMaxMs };
        w.close();
      },
      atMs: 100,
    },
  },
  reported: Object.fromEntries(
    [null, 2500, 10_000].flatMap((detectWithinMs) =>
      ["idle", "in flight"].map((traffic) => [
        `${traffic}, ${detectWithinMs === null ? "unwatched" : `within ${detectWithinMs}`}`,
        {
          begin:
            detectWithinMs === null ? () => ({}) : watched({ detectWithinMs, onDead: "report" }),
          leave: ({ socket }) => void (traffic === "idle" || socket.write("x")),
          atMs: 100,
        },
      ]),
    ),
  ),
};
const OWN = {
  nothing: () => {},
  keepalive: (socket) => setKeepalive(socket, KEEPALIVE),
  "keepalive and user timeout": (socket) => {
    setKeepalive(socket, KEEPALIVE);
    setUserTimeout(socket, 60_000);
  },
};

const [host, scene] = process.argv.slice(2);
if (host === "serve") {
  createServer((socket) => socket.on("error", () => {}).pipe(socket)).listen(PORT, () =>
    console.log("ready"),
  );
} else {
  const cases = [];
  for (const [own, set] of Object.entries(scene === "reported" ? { nothing: OWN.nothing } : OWN)) {
    for (const [way, { begin, leave, atMs }] of Object.entries(SCENES[scene])) {
      const one = { way, own, state: "alive", verdicts: [] };
      const socket = connect({ host, port: PORT });
      socket.on("error", ({ code }) => {
        one.state = code;
      });
      socket.on("data", () => {
        one.state = "answered";
      });
      await once(socket, "connect");
      set(socket);
      const options = () => ({
        keepalive: getKeepalive(socket),
        userTimeoutMs: getUserTimeout(socket),
        rtoMaxMs: readRtoMax(socket._handle.fd),
      });
      const before = options();
      const begun = { socket, one, ...begin(socket) };
      begun.w
        ?.on("dead", () => one.verdicts.push("dead"))
        .on("suspect", () => one.verdicts.push("suspect"));
      cases.push({ one, begun, leave, atMs, before, options });
    }
  }
  console.log("connected");
  const left = [];
  for await (const line of createInterface(process.stdin)) {
    for (const { one, begun, leave, atMs, before, options } of cases) {
      if (line === "cut") left.push(leaveAt(begun, atMs).then(() => leave(begun)));
      else
        console.log(
          JSON.stringify({ ...one, before, after: begun.socket.destroyed ? null : options() }),
        );
    }
    if (line === "cut") void Promise.all(left).then(() => console.log("left"));
  }
}

async function leaveAt({ w }, atMs) {
  if (w && atMs === undefined) await once(w, "suspect");
  await sleep(atMs ?? AFTER_SUSPECT_MS);
}
