// Watches a connection that its peer resets, with the features that this runtime allows. Ends with
// one line of JSON.
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { capabilities, watch } from "halfopen";

const server = createServer().listen(0, "127.0.0.1");
await once(server, "listening");
const accepting = once(server, "connection");
const client = connect(server.address().port, "127.0.0.1")
  .on("error", () => {})
  .resume();
const [[accepted]] = await Promise.all([accepting, once(client, "connect")]);
const w = watch(client, { detectWithinMs: 2500 });
const { level } = w.applied;
const dying = once(w, "dead");
accepted.on("error", () => {}).resetAndDestroy();
const [{ cause }] = await dying;
server.close();
const { backEnd, tcpInfo } = capabilities();
console.log(JSON.stringify({ level, cause, backEnd, why: tcpInfo.why }));
