// A heartbeat for a protocol of one's own: finds also a server whose machine answers and whose
// program hangs.
//   node examples/heartbeat.mjs [HOST] [PORT]     with examples/server.mjs at the other end
// Try it: stop the server with `kill -STOP PID`. Its machine still acknowledges everything; only
// the heartbeat notices.
import { connect } from "node:net";
import { watch } from "halfopen";

const [host = "127.0.0.1", port = "7000"] = process.argv.slice(2);

/**
 * Asks the server's program, and resolves when it answered. halfopen calls it only when nothing was
 * heard for a while.
 */
function pingOver(socket) {
  return () =>
    new Promise((resolve) => {
      socket.once("data", resolve);
      socket.write("ping\n");
    });
}

function open() {
  const socket = connect({ host, port: Number(port) }, () => console.log("connected"));
  const w = watch(socket, { detectWithinMs: 5000, heartbeat: pingOver(socket) });
  // Not a verdict yet: the first question stayed unanswered.
  w.on("suspect", ({ cause }) => console.log("suspect", cause));
  // It was a false suspicion.
  w.on("alive", () => console.log("alive again"));
  // The verdict, with the reasons in words. The socket gets it as its "error" right after.
  w.on("dead", ({ cause, why }) => console.log("dead", cause, why.join("; ")));
  socket.resume(); // a socket that nobody reads would fill up
  socket.on("error", (error) => console.log("lost", error.message));
  socket.on("close", () => setTimeout(open, 1000));
}

open();
