/**
 * Probes a connection of its own as the audit does, and sets its keepalive in the middle of the
 * round: `node changes-meanwhile.mjs serve` there, `node changes-meanwhile.mjs HOST` here. Prints
 * "connected"; at a line on standard input it begins the round. Prints the keepalive after the round
 * as JSON.
 */
import { once } from "node:events";
import { connect } from "node:net";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { NudgeRound } from "../../dist/audit/nudge-round.js";
import { getKeepalive } from "../../dist/index.js";
import { openPort } from "../../dist/kernel/port/open-port.js";
import { COOKIE_BYTES, SO_COOKIE, SOL_SOCKET } from "../../dist/kernel/port/platform-linux.js";
import { READING_PORT, servePeers } from "../setup/peers.mjs";

const [host] = process.argv.slice(2);
if (host === "serve") await servePeers();
else await probe();

async function probe() {
  const socket = connect(READING_PORT, host);
  socket.on("error", () => {});
  await once(socket, "connect");
  console.log("connected");
  await once(createInterface({ input: process.stdin }), "line");

  const { fd } = socket._handle;
  const system = openPort();
  const cookie = new Uint8Array(COOKIE_BYTES);
  system.getsockopt(fd, SOL_SOCKET, SO_COOKIE, cookie);
  const round = new NudgeRound(system, 3000).ask([{ pid: process.pid, fd, cookie, key: 0 }]);
  await sleep(1500);
  socket.setKeepAlive(true, 44_000);
  const probed = await round;
  console.log(JSON.stringify({ probed: probed.size, keepalive: getKeepalive(socket) }));
  socket.destroy();
}
