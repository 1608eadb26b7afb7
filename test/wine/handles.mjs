// Runs under Node for Windows. Opens connections over IPv4, IPv6 and both, and sets the keepalive
// of every other socket.
import "./stdio.mjs";
import { writeSync } from "node:fs";
import { connect, createServer } from "node:net";
import {
  capabilities,
  getKeepalive,
  readTcpInfo,
  setKeepalive,
  setUserTimeout,
} from "../dist/index.js";

const COUNT = 40;
const tell = (fact) => writeSync(1, `${JSON.stringify(fact)}\n`);
const accepted = [];
const listen = (host) =>
  new Promise((resolve) => {
    const server = createServer((socket) => accepted.push(socket.on("error", () => {}).resume()));
    server.listen(0, host, () => resolve(server));
  });
const open = (port, host) =>
  new Promise((resolve, reject) => {
    const socket = connect({ port, host }, () => resolve(socket.resume()));
    socket.on("error", reject);
  });

const codeOf = (call) => {
  try {
    call();
    return null;
  } catch (error) {
    return error.code;
  }
};

const v4 = await listen("127.0.0.1");
const v6 = await listen("::1");
const dual = await listen("::");
const sockets = [];
for (let i = 0; i < COUNT; i++) {
  const [server, host] = [
    [v4, "127.0.0.1"],
    [v6, "::1"],
    [dual, "127.0.0.1"],
  ][i % 3];
  sockets.push(await open(server.address().port, host));
  // Handle values are reused: the value of a socket closed here is another's a moment later.
  if (i % 5 === 4)
    await new Promise((resolve) =>
      sockets
        .splice(i % 7, 1)[0]
        .once("close", resolve)
        .destroy(),
    );
}
while (accepted.filter((socket) => !socket.destroyed).length < sockets.length)
  await new Promise((resolve) => setTimeout(resolve, 20));
await new Promise((resolve) => setTimeout(resolve, 200));
const all = [...sockets, ...accepted.filter((socket) => !socket.destroyed)];
const chosen = all.filter((_, i) => i % 2 === 0);
const started = performance.now();
const applied = chosen.map((socket) =>
  setKeepalive(socket, { idleMs: 77_000, intervalMs: 5000, count: 10 }),
);
const ms = performance.now() - started;
const [first] = sockets;
tell({
  event: "set",
  ms,
  applied,
  asked: getKeepalive(chosen[0]),
  chosen: chosen.map(({ localPort, remotePort }) => [localPort, remotePort]),
  others: all
    .filter((_, i) => i % 2 === 1)
    .map(({ localPort, remotePort }) => [localPort, remotePort]),
  capabilities: capabilities(),
  tcpInfo: codeOf(() => readTcpInfo(first)),
  userTimeout: codeOf(() => setUserTimeout(first, 5000)),
});
const gone = sockets.pop();
gone.destroy();
tell({
  event: "closed",
  code: codeOf(() => setKeepalive(gone, { idleMs: 1000, intervalMs: 1000, count: 10 })),
});
setInterval(() => {}, 1000);
