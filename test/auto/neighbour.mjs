/**
 * The neighbour of `service.mjs`: an HTTP service on port 8081 that `service.mjs` uses and, for
 * each line on standard input, a long poll of the given host.
 */
import http from "node:http";
import { createInterface } from "node:readline";

const [, , host] = process.argv;

http.createServer((_, response) => response.end("ok\n")).listen(8081);
createInterface({ input: process.stdin }).on("line", () => {
  const poll = http.get({ host, port: 8080, agent: false }, (response) => {
    response.once("data", () => process.stdout.write("polling\n")).on("error", () => {});
  });
  poll.on("error", () => {});
});
