/**
 * Opens watched connections as programs in the field do: with a mark, bound to an interface, as
 * another user, from another network namespace. Takes commands as lines of JSON and reports what
 * happens to each connection: {id, event, at, diagnosis}.
 */
import { openSync } from "node:fs";
import { Socket } from "node:net";
import { createInterface } from "node:readline";

const dist = (path) => import(new URL(`../../dist/${path}`, import.meta.url).href);
const { watch } = await dist("index.js");
const { openPort } = await dist("kernel/port/open-port.js");
const port = openPort();

const SOL_SOCKET = 1;
const SO_BINDTODEVICE = 25;
const SO_MARK = 36;
const CLONE_NEWNET = 0x4000_0000;
const connections = new Map();

/** Returns a socket that has its descriptor, so that options can be set before it connects. */
function madeSocket({ family = 4 }) {
  const { TCP, constants } = process.binding("tcp_wrap");
  const handle = new TCP(constants.SOCKET);
  if (family === 6) handle.bind6("::", 0, 0);
  else handle.bind("0.0.0.0", 0);
  return new Socket({ handle, manualStart: true });
}

/** Runs `make` in the network namespace of the process `pid`; default: in our own. */
function inNamespaceOf(pid, make) {
  if (!pid) return make();
  const own = openSync("/proc/thread-self/ns/net", "r");
  port.setns(openSync(`/proc/${pid}/ns/net`, "r"), CLONE_NEWNET);
  const made = make();
  if (port.setns(own, CLONE_NEWNET) < 0) process.abort();
  return made;
}

function opened(it) {
  if (it.uid) process.seteuid(it.uid);
  const socket = inNamespaceOf(it.namespaceOf, () => madeSocket(it));
  if (it.uid) process.seteuid(0);
  const { fd } = socket._handle;
  if (it.mark) must(port.setsockopt(fd, SOL_SOCKET, SO_MARK, Uint8Array.of(it.mark, 0, 0, 0)));
  if (it.device)
    must(port.setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, Buffer.from(`${it.device}\0`)));
  return socket;
}

function must(result) {
  if (result < 0) throw new Error(`errno ${-result}`);
}

function tell(id, event, diagnosis = null) {
  const at = Number(process.hrtime.bigint() / 1000n) / 1000;
  process.stdout.write(`${JSON.stringify({ id, event, at, diagnosis })}\n`);
}

const commands = {
  open(it) {
    const isPlain = it.localAddress !== undefined;
    const socket = isPlain ? new Socket() : opened(it);
    let received = 0;
    socket.on("error", (error) => tell(it.id, `error ${error.code}`));
    socket.on("data", (data) => {
      received += data.length;
      tell(it.id, `received ${received}`);
    });
    socket.on("connect", () => {
      const w = watch(socket, { detectWithinMs: it.budgetMs, label: it.id });
      for (const event of ["suspect", "alive", "overdue", "dead"])
        w.on(event, (diagnosis) => tell(it.id, event, diagnosis));
      connections.set(it.id, { socket, w });
      tell(it.id, "connected");
    });
    socket.connect({ host: it.host, port: it.port, localAddress: it.localAddress });
  },
  write({ id, bytes }) {
    connections.get(id).socket.write(Buffer.alloc(bytes, "x"));
  },
  diagnose() {
    for (const [id, { w }] of connections) tell(id, "now", w.diagnosis);
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  commands[command.do](command);
}
process.exit(0);
