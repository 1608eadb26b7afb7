/**
 * A client without an adapter, as docs/works-with.md has it.
 *
 * @typedef {object} OtherClient
 * @property {string} client
 * @property {keyof typeof import("./servers.mjs").OTHER_SERVERS} server
 * @property {boolean} [madeAnew] Its program makes a new one when the connection is lost.
 * @property {"its client's turn"} [silentFor] Why no request of it need be answered after a
 * connection is lost.
 * @property {string} [error] The name of the error of the request that was in flight. A stream has
 * none: what was in flight is the stream.
 */

/** @type {readonly OtherClient[]} */
export const OTHER_CLIENTS = [
  { client: "mongodb", server: "node", error: "MongoNetworkError" },
  { client: "fetch", server: "node", error: "TypeError" },
  { client: "fetch-stream", server: "node" },
  { client: "undici-pool", server: "node", error: "DeadPeerError" },
  { client: "undici-h2", server: "node", error: "TypeError" },
  { client: "websocket", server: "node", madeAnew: true, error: "Error" },
  { client: "kafkajs", server: "node", error: "KafkaJSConnectionError" },
  { client: "cassandra", server: "node", error: "DriverError" },
  { client: "tedious", server: "node", madeAnew: true, error: "DeadPeerError" },
  { client: "elasticsearch", server: "node", error: "ConnectionError" },
  { client: "rhea", server: "rabbitmq", error: "DeadPeerError" },
  { client: "imapflow", server: "imap", madeAnew: true, error: "Error" },
  { client: "node-opcua", server: "opcua", error: "Error" },
  { client: "ssh2", server: "ssh", madeAnew: true, error: "Error" },
  { client: "colyseus", server: "node", madeAnew: true, error: "Error" },
  { client: "colyseus-server", server: "node", silentFor: "its client's turn", error: "Error" },
  { client: "socket.io-server", server: "node", silentFor: "its client's turn", error: "Error" },
  { client: "stompit", server: "rabbitmq", madeAnew: true, error: "DeadPeerError" },
  { client: "postgres", server: "postgres", error: "DeadPeerError" },
  { client: "mariadb", server: "mariadb", madeAnew: true, error: "DeadPeerError" },
];

/** Clients whose own check of the peer's process is turned on, and how long the check takes. */
export const CHECKING_CLIENTS = [
  { client: "mongodb-monitor", withinMs: 4000 },
  { client: "cassandra-heartbeat", withinMs: 4000 },
  { client: "rhea-idle-timeout", withinMs: 5500 },
  { client: "node-opcua-keepalive", withinMs: 5000 },
  { client: "ssh2-keepalive", withinMs: 4500 },
  { client: "stompit-heart-beat", withinMs: 4000 },
  { client: "colyseus-server-pings", withinMs: 9500 },
];
