// The process that is measured: holds the server ends of many connections under one mechanism. Does
// nothing but what it is asked over IPC.
//   node --expose-gc subject.mjs MECHANISM
import { once } from "node:events";
import { Session } from "node:inspector/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { writeHeapSnapshot } from "node:v8";
import { ALL_MECHANISMS, alarms } from "./mechanisms.mjs";
import { measurePauses } from "./pauses.mjs";

const server = ALL_MECHANISMS[process.argv[2]].serve();
await once(server, "listening");

const WORK = {
  count: () =>
    new Promise((resolve, reject) =>
      server.getConnections((error, count) => (error ? reject(error) : resolve(count))),
    ),
  alarms: () => alarms,
  async cpu(ms) {
    const before = process.cpuUsage();
    const started = performance.now();
    await sleep(ms);
    const { user, system } = process.cpuUsage(before);
    return { us: user + system, ms: performance.now() - started };
  },
  async heap() {
    // More than once: what a finaliser lets go is garbage only in the next round.
    for (let round = 0; round < 4; round++) {
      global.gc();
      await sleep(20);
    }
    const { heapUsed, external, arrayBuffers, rss } = process.memoryUsage();
    return { heapUsed, external, arrayBuffers, rss };
  },
  pauses: (ms) => measurePauses(ms),
  snapshot: (path) => writeHeapSnapshot(path),
  /** Hot functions by self time. */
  async profile(ms) {
    const session = new Session();
    session.connect();
    await session.post("Profiler.enable");
    await session.post("Profiler.setSamplingInterval", { interval: 200 });
    await session.post("Profiler.start");
    await sleep(ms);
    const { profile } = await session.post("Profiler.stop");
    session.disconnect();
    return profile;
  },
};

process.on("message", async ({ id, work, argument }) => {
  try {
    process.send({ id, result: await WORK[work](argument) });
  } catch (error) {
    process.send({ id, error: String(error.stack ?? error) });
  }
});
process.on("disconnect", () => process.exit());
process.send({ port: server.address().port });
