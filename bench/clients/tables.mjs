/** The rows of the README: one for each client, where the others are variants of it. */
const README_CLIENTS = [
  "ioredis",
  "node-redis",
  "pg",
  "mysql2",
  "mqtt",
  "amqplib",
  "nats",
  "ws",
  "http2",
  "grpc",
  "socket.io",
];

const seconds = (ms) => `${(ms / 1000).toFixed(1)} s`;
const whenNoticed = ({ ms }, capMs) => (ms === null ? `not in ${capMs / 1000} s` : seconds(ms));
const whenAgain = ({ againMs }, silentFor) =>
  againMs === null ? (silentFor ?? "no") : `after ${seconds(againMs)}`;

export function table(heads, rows) {
  return [heads, heads.map(() => "---"), ...rows]
    .map((cells) => `| ${cells.join(" | ")} |`)
    .join("\n");
}

const noticedCells = ({ client, alone, watched }, capMs) => [
  client,
  whenNoticed(alone.idle, capMs),
  `**${whenNoticed(watched.idle, capMs)}**`,
  whenNoticed(alone.inFlight, capMs),
  `**${whenNoticed(watched.inFlight, capMs)}**`,
];

/** All that was measured of some clients. */
export function docsTable(rows, capMs) {
  const heads = [
    "client",
    "idle: alone",
    "watched",
    "in flight: alone",
    "watched",
    "works again: alone",
    "watched",
  ];
  return table(
    heads,
    rows.map((row) => [
      ...noticedCells(row, capMs),
      `${whenAgain(row.alone.idle, row.silentFor)}; ${whenAgain(row.alone.inFlight, row.silentFor)}`,
      `${whenAgain(row.watched.idle, row.silentFor)}; ${whenAgain(row.watched.inFlight, row.silentFor)}`,
    ]),
  );
}

/** What a reader wants to know first. */
export function readmeTable(rows, capMs) {
  return table(
    ["client", "idle: alone", "watched", "in flight: alone", "watched"],
    rows
      .filter(({ client }) => README_CLIENTS.includes(client))
      .map((row) => noticedCells(row, capMs)),
  );
}

/** What the watch of each client says of a server whose process stands still. */
export function stoppedTable(rows) {
  const heads = ["client", "idle", "a request waits", "blocked for a second", "in a transaction"];
  const cell = (ms) => (ms === undefined ? "-" : ms === null ? "left alone" : seconds(ms));
  return table(
    heads,
    rows.map(({ client, idle, waiting, blocked, transaction }) => [
      client,
      ...[idle, waiting, blocked, transaction].map(cell),
    ]),
  );
}
