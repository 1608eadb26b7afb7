import { int16, int32, serveFramed, string16 } from "./framed.mjs";

const PORT = 9092;
const METADATA = 3;
const API_VERSIONS = 18;
const UNKNOWN_API = 35;

/**
 * One Kafka broker without topics. Answers ApiVersions and Metadata, which is what a client asks
 * until it knows a topic. Left out: topics, producing, fetching, consumer groups, transactions.
 */
export function serveKafka() {
  serveFramed(PORT, sizeOf, (request, socket) => {
    const [api, version, correlation] = [
      request.readInt16BE(4),
      request.readInt16BE(6),
      request.subarray(8, 12),
    ];
    const body =
      api === API_VERSIONS
        ? Buffer.concat([supported(), version > 0 ? int32(0) : Buffer.alloc(0)])
        : api === METADATA
          ? metadata(socket.localAddress)
          : int16(UNKNOWN_API);
    socket.write(Buffer.concat([int32(4 + body.length), correlation, body]));
  });
}

const sizeOf = (bytes) => (bytes.length < 4 ? undefined : 4 + bytes.readInt32BE(0));

/** Error code, and an array of the key of each API with its lowest and highest version. */
function supported() {
  const versions = [
    [METADATA, 0, 0],
    [API_VERSIONS, 0, 2],
  ];
  return Buffer.concat([int16(0), int32(versions.length), ...versions.flat().map(int16)]);
}

/** Brokers, of which this one is the only, and topics, of which there are none. */
function metadata(host) {
  return Buffer.concat([int32(1), int32(0), string16(host), int32(PORT), int32(0)]);
}
