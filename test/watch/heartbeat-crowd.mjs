/**
 * Watches COUNT connections with heartbeats until each heartbeat was called three times, then
 * closes them all: `node --expose-gc heartbeat-crowd.mjs COUNT`. Prints one JSON object with the
 * heap in bytes at the start and at the end. Before the start a crowd of the same size has come and
 * gone, so that both figures contain what is loaded and grown only once.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

const BUDGET_MS = 2500;
const AT_A_TIME = 200;
const ROUNDS = 3;

if (process.argv[2] === "echo") {
  const server = createServer((socket) => socket.on("error", () => {}).pipe(socket));
  server.listen(0, "127.0.0.1", 1024, () => process.send(server.address().port));
  process.on("disconnect", () => process.exit());
} else {
  const { watch } = await import("../../dist/index.js");
  const found = { unhandled: 0, suspects: 0, deaths: 0, asked: 0, answered: 0, fewest: 0 };
  process.on("unhandledRejection", () => found.unhandled++);
  const echo = fork(new URL(import.meta.url), ["echo"]);
  const [port] = await once(echo, "message");

  /**
   * The classic ping of one's own protocol. Some answers come after the watch was closed, some
   * pings are cut off by it.
   */
  const ping = (socket) =>
    new Promise((resolve, reject) => {
      found.asked++;
      socket.write("?");
      const onData = () => {
        found.answered++;
        socket.off("close", onClose);
        resolve();
      };
      const onClose = () => reject(new Error("closed"));
      socket.once("data", onData).once("close", onClose);
    });

  const open = async (calls, index) => {
    const socket = connect(port, "127.0.0.1");
    socket.on("error", () => {});
    await once(socket, "connect");
    const heartbeat = () => {
      calls[index]++;
      return ping(socket);
    };
    watch(socket, { detectWithinMs: BUDGET_MS, heartbeat })
      .on("suspect", () => found.suspects++)
      .on("dead", () => found.deaths++);
    return socket;
  };

  const crowd = async (count) => {
    const calls = new Uint32Array(count);
    const sockets = [];
    while (sockets.length < count)
      sockets.push(
        ...(await Promise.all(
          Array.from({ length: AT_A_TIME }, (_, index) => open(calls, sockets.length + index)),
        )),
      );
    while (calls.some((asked) => asked < ROUNDS)) await sleep(100);
    found.fewest = Math.min(...calls);
    const closed = sockets.map((socket) => once(socket, "close"));
    for (const socket of sockets) socket.destroy();
    await Promise.all(closed);
  };

  const heapBytes = async () => {
    for (let round = 0; round < 4; round++) {
      await sleep(50);
      globalThis.gc();
    }
    return process.memoryUsage().heapUsed;
  };

  const count = Number(process.argv[2]);
  await crowd(count);
  const startBytes = await heapBytes();
  await crowd(count);
  const endBytes = await heapBytes();
  console.log(JSON.stringify({ ...found, startBytes, endBytes }));
  echo.disconnect();
}
