/**
 * The peer of real worlds: `node real-peer.mjs PORT`. The first line of each connection says how to
 * live: `{"on", "isAnswered", "peerWritesEveryMs"}`. The lines `read ON` and `unread ON` on standard
 * input make it read a connection, or not.
 */
import { createServer } from "node:net";
import { createInterface } from "node:readline";

const sockets = new Map();

function serve(socket) {
  let talk = null;
  socket.on("error", () => {});
  socket.on("data", (data) => {
    if (talk) {
      if (talk.isAnswered) socket.write("an answer\n");
      return;
    }
    talk = JSON.parse(data.toString().split("\n")[0]);
    sockets.set(talk.on, socket);
    if (talk.peerWritesEveryMs === 0) return;
    const timer = setInterval(() => socket.write("of the peer's own\n"), talk.peerWritesEveryMs);
    socket.on("close", () => clearInterval(timer));
  });
}

createServer(serve).listen(Number(process.argv[2]), "::", () => console.log("ready"));
createInterface({ input: process.stdin })
  .on("line", (line) => {
    const [work, on] = line.split(" ");
    if (work === "read") sockets.get(Number(on))?.resume();
    else sockets.get(Number(on))?.pause();
  })
  .on("close", () => process.exit(0));
