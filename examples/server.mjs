// A server that notices within 5 seconds that a client is gone, although the client never said
// goodbye.
//   node examples/server.mjs [PORT]
import { createServer } from "node:net";
import { watchServer } from "halfopen";

const server = createServer((socket) => {
  const name = `${socket.remoteAddress}:${socket.remotePort}`;
  console.log("connected", name);
  // A tiny protocol: the answer to every line is "pong".
  socket
    .setEncoding("utf8")
    .on("data", (text) => socket.write("pong\n".repeat(text.split("\n").length - 1)));
  // Without an "error" listener any error of a socket would crash the program. A dead client comes
  // here too.
  socket.on("error", (error) => console.log("lost", name, error.message));
  // The one place to free the resources of this client: it runs for every kind of end.
  socket.on("close", () => console.log("closed", name));
});

// One call watches all clients, future ones included.
watchServer(server, { detectWithinMs: 5000 });

server.listen(Number(process.argv[2] ?? 7000), () =>
  console.log("listening", server.address().port),
);
