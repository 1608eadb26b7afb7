// The other side of the loss bench: echoes what it gets.
//   node peers.mjs PORT
import { once } from "node:events";
import { createServer } from "node:net";
import { serve } from "../soak/asked.mjs";

const server = createServer((socket) => {
  socket.on("error", () => {}); // whoever is given up there is reset here
  socket.pipe(socket);
});
server.listen({ port: Number(process.argv[2]), host: "0.0.0.0", backlog: 4096 });
await once(server, "listening");
serve({});
