// A heartbeat for a protocol of one's own. It also finds a server whose machine answers while its
// program hangs.
//   node examples/heartbeat.mjs [HOST] [PORT]     with examples/server.mjs at the other end
// Try it: stop the server with `kill -STOP PID`. Its machine still acknowledges everything, so only
// the heartbeat notices.
import { connect } from "node:net";
import { watch } from "halfopen";

const [host = "127.0.0.1", port = "7000"] = process.argv.slice(2);

/**
 * Pings the server's program, and resolves with its answer. halfopen calls the function only when
 * nothing was heard for a while.
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
  // No verdict yet: the first attempt stayed unanswered.
  w.on("suspect", ({ cause }) => console.log("suspect", cause));
  // The suspicion was refuted: something was heard again.
  w.on("alive", () => console.log("alive again"));
  // The verdict, with its reasons in words. The socket emits it as its "error" right after.
  w.on("dead", ({ cause, why }) => console.log("dead", cause, why.join("; ")));
  socket.resume(); // a socket that nobody reads would fill up
  socket.on("error", (error) => console.log("lost", error.message));
  socket.on("close", () => setTimeout(open, 1000));
}

open();
