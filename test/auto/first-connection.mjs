/**
 * Says what the kernel is tried with, before and after the first connection: the native library
 * that is loaded, and the naps of the trial. The argument names what watches.
 */
const used = { libraries: 0, naps: 0 };
const { dlopen } = process;
process.dlopen = (...args) => {
  used.libraries++;
  return dlopen(...args);
};
const { wait } = Atomics;
Atomics.wait = (...args) => {
  used.naps++;
  return wait(...args);
};

const { connect, createServer } = await import("node:net");
const { once } = await import("node:events");
const { setTimeout: sleep } = await import("node:timers/promises");
const { getKeepalive, watchAll, watchServer } = await import("../../dist/index.js");

const server = createServer((socket) => socket.on("error", () => {}));
if (process.argv[2] === "watchAll") watchAll();
else watchServer(server);
const atStart = { ...used };

await once(server.listen(0, "127.0.0.1"), "listening");
const client = connect(server.address().port, "127.0.0.1");
const [accepted] = await once(server, "connection");
await sleep(200); // the first check is over
const isWatched = getKeepalive(accepted).idleMs < 10_000;
client.destroy();
console.log(JSON.stringify({ atStart, later: used, isWatched }));
process.exit();
