// A program that watches nothing itself. Ends with one line of JSON, which says whether keepalive
// was switched on for its connection.
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { getKeepalive } from "halfopen";

const server = createServer((socket) => socket.resume()).listen(0, "127.0.0.1");
await once(server, "listening");
const client = connect(server.address().port, "127.0.0.1");
await once(client, "connect");
await sleep(100);
console.log(JSON.stringify({ keepalive: getKeepalive(client).enabled }));
client.destroy();
server.close();
