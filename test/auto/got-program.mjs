/**
 * `node got-program.mjs serve`: an HTTP service on port 8081 that says so when its first request has
 * come and answers that one after 20 s, later ones at once.
 *
 * `node got-program.mjs HOST`: asks it once, with got as people use it, and says what came of it as
 * one line of JSON.
 */
import http from "node:http";
import got from "got";

const [, , host] = process.argv;
const say = (said) => process.stdout.write(`${JSON.stringify(said)}\n`);

let delayMs = 20_000;
if (host === "serve")
  http
    .createServer((_, response) => {
      say("asked");
      setTimeout(() => response.end("ok"), delayMs);
      delayMs = 0;
    })
    .listen(8081);
else
  got(`http://${host}:8081/`, { retry: { limit: 2 } }).then(
    ({ body, retryCount }) => say({ body, retryCount }),
    ({ code }) => say({ code }),
  );
