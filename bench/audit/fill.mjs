// Holds N connections to itself, both ends, and says "ready"; ends with its standard input. For
// bench/audit/audit-vs-ss.mjs.
import { once } from "node:events";
import { connect, createServer } from "node:net";

const wanted = Number(process.argv[2]);
const AT_A_TIME = 200;
const held = [];
const server = createServer((socket) => held.push(socket)).listen(0, "127.0.0.1", 4096);
await once(server, "listening");
const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
for (let made = 0; made < wanted; made += AT_A_TIME) {
  const batch = Array.from({ length: Math.min(AT_A_TIME, wanted - made) }, () =>
    connect(port, "127.0.0.1"),
  );
  held.push(...batch);
  await Promise.all(batch.map((socket) => once(socket, "connect")));
}
while (held.length < 2 * wanted) await new Promise((resolve) => setImmediate(resolve));
console.log("ready");
process.stdin.resume();
process.stdin.on("end", () => process.exit());
