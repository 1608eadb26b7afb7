/**
 * The peers of a lab test's connections: one that reads, and one that never does, so that its
 * window closes. Prints "ready" when both listen.
 */
import { once } from "node:events";
import { createServer } from "node:net";

export const [READING_PORT, DEAF_PORT] = [7110, 7111];

export async function servePeers() {
  const servers = [
    createServer((socket) => socket.on("error", () => {}).resume()).listen(READING_PORT, "::"),
    createServer({ pauseOnConnect: true }, (socket) => socket.on("error", () => {})).listen(
      DEAF_PORT,
      "::",
    ),
  ];
  await Promise.all(servers.map((server) => once(server, "listening")));
  console.log("ready");
}
