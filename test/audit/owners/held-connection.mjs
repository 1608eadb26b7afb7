// Holds a listener and both ends of a connection to it, and prints their inodes. Ends with its
// standard input. Argument: the system's idle time in seconds, to be set when the network namespace
// is this program's own.
import { once } from "node:events";
import { fstatSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";

const [idleS] = process.argv.slice(2);
if (idleS) {
  const set = (name, value) => writeFileSync(`/proc/sys/net/ipv4/tcp_keepalive_${name}`, value);
  set("time", idleS);
  set("intvl", "11");
  set("probes", "4");
}
const held = [];
const server = createServer((socket) => held.push(socket)).listen(0, "127.0.0.1");
await once(server, "listening");
const { port } = server.address();
const client = connect(port, "127.0.0.1");
await Promise.all([once(client, "connect"), once(server, "connection")]);
client.setKeepAlive(true); // with the system's times
console.log([server, client, ...held].map(({ _handle }) => fstatSync(_handle.fd).ino).join(" "));
process.stdin.resume();
process.stdin.on("end", () => process.exit());
