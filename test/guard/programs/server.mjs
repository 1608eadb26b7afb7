// node server.mjs PORT: the first line of a client is its name. The server writes ten times a
// second to clients whose name begins with "in flight".
import { createServer } from "node:net";

createServer((socket) => {
  let name = "";
  let timer;
  socket.once("data", (chunk) => {
    name = String(chunk).trim();
    if (name.startsWith("in flight")) timer = setInterval(() => socket.write("x".repeat(100)), 100);
  });
  socket.on("error", (error) => console.log(`lost ${name}: ${error.code}`));
  socket.on("close", () => clearInterval(timer));
}).listen(Number(process.argv[2]), "::");
