/**
 * Programs that get a connection or a listening socket as a descriptor, by name: `node --import
 * halfopen/auto inherited.mjs NAME`. Each writes one line of JSON to file descriptor 4: whether the
 * connection is watched.
 */
import { once } from "node:events";
import { writeSync } from "node:fs";
import http from "node:http";
import { createServer, Socket } from "node:net";
import { setImmediate as nextLoop } from "node:timers/promises";
import tls from "node:tls";
import { getKeepalive } from "../../dist/index.js";
import { LAB_CERTIFICATE, LAB_KEY } from "../../dist/lab/certificate.js";

const [, , name] = process.argv;
const quiet = (socket) => socket.on("error", () => {});
const REPORT = 4;

async function report(socket) {
  quiet(socket);
  await nextLoop();
  const { enabled, idleMs } = getKeepalive(socket);
  writeSync(REPORT, `${JSON.stringify(enabled && idleMs < 10_000)}\n`);
  process.exit();
}

const PROGRAMS = {
  "a connection as descriptor 3": () => report(new Socket({ fd: 3 })),
  "a connection as descriptor 3, paused": () => report(new Socket({ fd: 3, manualStart: true })),
  "a connection by its number alone": () => report(new Socket(3)),
  "a connection with a handle of other code": () =>
    report(new Socket({ handle: new Socket({ fd: 3, manualStart: true })._handle })),
  "a connection given to an http server"() {
    const server = http.createServer((request, response) => {
      response.flushHeaders();
      report(request.socket);
    });
    server.emit("connection", new Socket({ fd: 3 }));
  },
  async "a connection under TLS"() {
    const raw = new Socket({ fd: 3 });
    const secure = new tls.TLSSocket(raw, { isServer: true, key: LAB_KEY, cert: LAB_CERTIFICATE });
    await once(quiet(secure), "secure");
    report(secure);
  },
  "a listening socket as descriptor 3": () =>
    createServer((socket) => report(socket)).listen({ fd: 3 }),
  "a listening socket of an http server": () =>
    http.createServer((request) => report(request.socket)).listen({ fd: 3 }),
  "a listening socket of a TLS server": () =>
    tls
      .createServer({ key: LAB_KEY, cert: LAB_CERTIFICATE }, (socket) => report(socket))
      .listen({ fd: 3 }),
  "standard input": () => report(process.stdin),
  "standard output alone": () => report(process.stdout),
};

await PROGRAMS[name]();
