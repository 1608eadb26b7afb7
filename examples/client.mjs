// A client that notices within 5 seconds that its server is gone, and connects again for as long as
// it takes.
//   node examples/client.mjs [HOST] [PORT]        with examples/server.mjs at the other end
// Run the server on another machine and pull its cable. On one machine there is no cable, and the
// kernel of a killed server closes the connection properly.
import { connect } from "node:net";
import { watch } from "halfopen";

const [host = "127.0.0.1", port = "7000"] = process.argv.slice(2);
let failures = 0;

function open() {
  const socket = connect({ host, port: Number(port) });

  // The watch may begin before the connection exists. The rest of the program needs no change.
  watch(socket, { detectWithinMs: 5000, label: "server" });

  socket.on("connect", () => {
    failures = 0;
    console.log("connected");
    socket.write("hello\n");
  });
  socket.on("data", (data) => console.log("answer", data.toString().trim()));
  // A dead server, a refused connection and a reset all come here first.
  socket.on("error", (error) => console.log("lost", error.message));
  // Every end comes here. Wait longer after each failure, and for a random time, so that many
  // clients do not come back at once.
  socket.on("close", () =>
    setTimeout(open, Math.min(500 * 2 ** failures++, 30_000) * (0.5 + Math.random() / 2)),
  );
}

open();
