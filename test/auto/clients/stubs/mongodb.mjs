import { BSON } from "mongodb";
import { serveFramed } from "./framed.mjs";

const PORTS = [27_017, 27_018, 27_019];
const [OP_REPLY, OP_QUERY, OP_MSG] = [1, 2004, 2013];
const [MORE_TO_COME, EXHAUST_ALLOWED] = [1 << 1, 1 << 16];

/**
 * A replica set of three MongoDB servers, the first its primary. Each answers `hello`, also the
 * awaited one that a monitor streams (a reply after each `maxAwaitTimeMS`), and says "ok" to every
 * other command. Left out: authentication, data, elections, sessions, compression.
 */
export function serveMongodb() {
  for (const port of PORTS)
    serveFramed(port, sizeOf, (request, socket) => answer(request, socket, port));
}

const sizeOf = (bytes) => (bytes.length < 4 ? undefined : bytes.readInt32LE(0));

function answer(request, socket, port) {
  const { command, isQuery, flags } = commandOf(request);
  const isHello = ["hello", "ismaster", "isMaster"].some((name) => name in command);
  const document = isHello ? hello(socket.localAddress, port) : { ok: 1 };
  const reply = (more) =>
    socket.write(message(request, BSON.serialize(document), isQuery ? null : more));

  if (!isHello || command.maxAwaitTimeMS === undefined) return reply(0);
  const isStreamed = (flags & EXHAUST_ALLOWED) !== 0;
  const afterMs = Number(command.maxAwaitTimeMS);
  if (!isStreamed) return setTimeout(reply, afterMs, 0);
  const streaming = setInterval(reply, afterMs, MORE_TO_COME);
  socket.once("close", () => clearInterval(streaming));
}

function commandOf(request) {
  const isQuery = request.readInt32LE(12) === OP_QUERY;
  // OP_QUERY: flags, name of the collection, two numbers. OP_MSG: flags, kind of the section.
  const from = isQuery ? request.indexOf(0, 20) + 1 + 8 : 21;
  const size = request.readInt32LE(from);
  const command = BSON.deserialize(request.subarray(from, from + size));
  return { command, isQuery, flags: request.readUInt32LE(16) };
}

/** An OP_MSG with these flags, or an OP_REPLY for `null`. */
function message(request, document, flags) {
  const middle = Buffer.alloc(flags === null ? 20 : 5);
  if (flags === null) middle.writeInt32LE(1, 16);
  else middle.writeUInt32LE(flags);

  const head = Buffer.alloc(16);
  head.writeInt32LE(head.length + middle.length + document.length);
  head.writeInt32LE(request.readInt32LE(4), 8);
  head.writeInt32LE(flags === null ? OP_REPLY : OP_MSG, 12);
  return Buffer.concat([head, middle, document]);
}

const TOPOLOGY = { processId: new BSON.ObjectId(), counter: BSON.Long.ZERO };

function hello(host, port) {
  const isPrimary = port === PORTS[0];
  return {
    ok: 1,
    helloOk: true,
    isWritablePrimary: isPrimary,
    secondary: !isPrimary,
    setName: "lab",
    setVersion: 1,
    hosts: PORTS.map((one) => `${host}:${one}`),
    me: `${host}:${port}`,
    primary: `${host}:${PORTS[0]}`,
    topologyVersion: TOPOLOGY,
    minWireVersion: 0,
    maxWireVersion: 21,
    maxBsonObjectSize: 16_777_216,
    maxMessageSizeBytes: 48_000_000,
    maxWriteBatchSize: 100_000,
    localTime: new Date(),
  };
}
