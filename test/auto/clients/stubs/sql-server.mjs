import { serveFramed } from "./framed.mjs";

const [LOGIN, PRELOGIN] = [0x10, 0x12];
const RESPONSE = 4;
const END_OF_MESSAGE = 1;
const [LOGINACK, DONE] = [0xad, 0xfd];

/**
 * A SQL Server that speaks TDS 7.4 without encryption. Lets everybody in and answers every batch
 * and call with "done". Left out: encryption, rows, errors, transactions, cancelling.
 */
export function serveSqlServer() {
  serveFramed(1433, sizeOf, ([type, status], socket) => {
    if ((status & END_OF_MESSAGE) === 0) return;
    const body =
      type === PRELOGIN
        ? PRELOGIN_ANSWER
        : type === LOGIN
          ? Buffer.concat([loginAck("lab"), done()])
          : done();
    const head = Buffer.from([RESPONSE, END_OF_MESSAGE, 0, 0, 0, 0, 1, 0]);
    head.writeUInt16BE(head.length + body.length, 2);
    socket.write(Buffer.concat([head, body]));
  });
}

const sizeOf = (bytes) => (bytes.length < 8 ? undefined : bytes.readUInt16BE(2));

/** Two options by offset and length: the version, and that encryption is not supported. */
const PRELOGIN_ANSWER = Buffer.from([
  ...[0, 0, 11, 0, 6],
  ...[1, 0, 17, 0, 1],
  0xff,
  ...[16, 0, 0, 0, 0, 0],
  2,
]);

function loginAck(program) {
  const name = Buffer.from(program, "utf16le");
  const body = Buffer.concat([
    Buffer.from([1, 0x74, 0, 0, 4, program.length]),
    name,
    Buffer.from([16, 0, 0, 0]),
  ]);
  return Buffer.concat([Buffer.from([LOGINACK, body.length, 0]), body]);
}

function done() {
  return Buffer.concat([Buffer.from([DONE]), Buffer.alloc(12)]);
}
