import { int8, int16, int32, serveFramed, string16 } from "./framed.mjs";

const VERSION = 4;
const RESPONSE = 0x80;
const [ERROR, READY, OPTIONS, SUPPORTED, QUERY, RESULT] = [0, 2, 5, 6, 7, 8];
const [STARTUP, REGISTER] = [1, 11];
const PROTOCOL_ERROR = 10;
const ROWS = 2;
const GLOBAL_TABLES_SPEC = 1;
const VARCHAR = 13;

/**
 * One Cassandra node that speaks CQL's native protocol 4. Answers OPTIONS, STARTUP, REGISTER and
 * every query: with its own row of system.local, or with no row at all. Left out: authentication,
 * keyspaces and schema, prepared statements, events, compression, other nodes.
 */
export function serveCassandra() {
  serveFramed(9042, sizeOf, (request, socket) => {
    const answer = answerTo(request[4], request.subarray(9));
    const stream = request.subarray(2, 4);
    const head = [int8(RESPONSE | VERSION), int8(0), stream, int8(answer.opcode)];
    socket.write(Buffer.concat([...head, int32(answer.body.length), answer.body]));
  });
}

const sizeOf = (bytes) => (bytes.length < 9 ? undefined : 9 + bytes.readInt32BE(5));

function answerTo(opcode, body) {
  if (opcode === OPTIONS) return { opcode: SUPPORTED, body: int16(0) };
  if (opcode === STARTUP || opcode === REGISTER) return { opcode: READY, body: Buffer.alloc(0) };
  if (opcode !== QUERY)
    return {
      opcode: ERROR,
      body: Buffer.concat([int32(PROTOCOL_ERROR), string16(`no answer to ${opcode}`)]),
    };

  const query = body.toString("utf8", 4, 4 + body.readInt32BE(0));
  return { opcode: RESULT, body: rows(query.includes("system.local") ? [LOCAL] : []) };
}

const LOCAL = {
  key: "local",
  data_center: "lab",
  rack: "lab",
  release_version: "4.1.0",
  cluster_name: "lab",
  partitioner: "org.apache.cassandra.dht.Murmur3Partitioner",
};

function rows(all) {
  const names = Object.keys(LOCAL);
  const columns = names.flatMap((name) => [string16(name), int16(VARCHAR)]);
  const values = all.flatMap((row) =>
    names.flatMap((name) => [int32(Buffer.byteLength(row[name])), Buffer.from(row[name])]),
  );
  return Buffer.concat([
    int32(ROWS),
    int32(GLOBAL_TABLES_SPEC),
    int32(names.length),
    string16("system"),
    string16("local"),
    ...columns,
    int32(all.length),
    ...values,
  ]);
}
