/**
 * Listens on the ports of its arguments and says "ready". Answers data by as many bytes as came so
 * far, in digits. With `talks` as the first argument it also writes every 300 ms.
 */
import { createServer } from "node:net";

const talks = process.argv[2] === "talks";
for (const port of process.argv.slice(talks ? 3 : 2)) {
  const server = createServer((socket) => {
    let taken = 0;
    socket.on("error", () => {});
    socket.on("data", (data) => {
      taken += data.length;
      socket.write(`${taken}\n`);
    });
    const timer = talks ? setInterval(() => socket.write("tick\n"), 300) : undefined;
    socket.on("close", () => clearInterval(timer));
  });
  server.listen(Number(port), "::", () => console.log("ready"));
}
