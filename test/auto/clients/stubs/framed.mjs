import { createServer } from "node:net";

/**
 * Serves a protocol whose messages say their own length: cuts what a connection sends into whole
 * messages and calls `onMessage(message, socket)` for each. `sizeOf(bytes)` returns the size of the
 * first message, or `undefined` while too little of the message has come.
 */
export function serveFramed(port, sizeOf, onMessage) {
  return createServer((socket) => {
    let bytes = Buffer.alloc(0);
    socket
      .on("error", () => {})
      .on("data", (chunk) => {
        bytes = Buffer.concat([bytes, chunk]);
        for (let size = sizeOf(bytes); size <= bytes.length; size = sizeOf(bytes)) {
          onMessage(bytes.subarray(0, size), socket);
          bytes = bytes.subarray(size);
        }
      });
  }).listen(port, "0.0.0.0");
}

export function int8(value) {
  return Buffer.from([value]);
}

export function int16(value) {
  const bytes = Buffer.alloc(2);
  bytes.writeInt16BE(value);
  return bytes;
}

export function int32(value) {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

/** A text with its length in two bytes before it: Kafka's STRING, CQL's [string]. */
export function string16(text) {
  return Buffer.concat([int16(Buffer.byteLength(text)), Buffer.from(text)]);
}
