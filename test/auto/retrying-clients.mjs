/**
 * What libraries do when a connection ends with an error in a request. Each function makes a request
 * of a small server on loopback, which calls `fail` with its end of the connection the first time
 * and answers from then on, and returns what came of it in the words of docs/retries.md.
 */
import { once } from "node:events";
import http from "node:http";
import { createServer } from "node:net";
import { isTransientError } from "@smithy/service-error-classification";
import { connect as connectAmqp } from "amqp-connection-manager";
import axios from "axios";
import axiosRetry from "axios-retry";
import got from "got";
import { Redis } from "ioredis";
import { Kafka, logLevel } from "kafkajs";
import { BSON, MongoClient } from "mongodb";
import mysql from "mysql2";
import pg from "pg";
import { Agent, RetryAgent } from "undici";

const HOST = "127.0.0.1";
const RETRIES = "retries";
const FAILS = "fails";
const ANEW = "fails; the next one connects anew";

async function listening(server) {
  server.listen(0, HOST);
  await once(server, "listening");
  return server.address().port;
}

/** An HTTP service whose first request fails; `ask` makes one. */
async function overHttp(fail, ask) {
  let requests = 0;
  const server = http.createServer((request, response) => {
    requests++;
    if (requests === 1) fail(request.socket);
    else response.end("ok");
  });
  const port = await listening(server);
  try {
    await ask(`http://${HOST}:${port}/`);
    return requests === 2 ? RETRIES : `${requests} requests`;
  } catch {
    return FAILS;
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

/** A server of another protocol. `talk` gets each connection, and whether it is to fail. */
async function overTcp(talk, use) {
  const sockets = new Set();
  let hasFailed = false;
  const server = createServer((socket) => {
    sockets.add(socket.on("error", () => {}));
    talk(socket, (fail) => {
      if (hasFailed) return false;
      hasFailed = true;
      fail(socket);
      return true;
    });
  });
  const port = await listening(server);
  try {
    return await use(port);
  } finally {
    for (const socket of sockets) socket.destroy();
    server.close();
  }
}

/** Asks twice: libraries without a retry of their own show what the next request meets. */
async function twice(ask) {
  try {
    await ask();
    return RETRIES;
  } catch {
    await ask();
    return ANEW;
  }
}

/** Splits a stream into messages whose length `lengthOf` finds in their beginning; 0: not yet. */
function messages(socket, lengthOf, onMessage) {
  let rest = Buffer.alloc(0);
  socket.on("data", (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    for (
      let length = lengthOf(rest);
      length > 0 && rest.length >= length;
      length = lengthOf(rest)
    ) {
      const message = rest.subarray(0, length);
      rest = rest.subarray(length);
      onMessage(message);
    }
  });
}

export const LIBRARIES = {
  "got 14 (`retry`)": (fail) =>
    overHttp(fail, (url) =>
      got(url, { retry: { limit: 2, calculateDelay: ({ computedValue }) => computedValue && 1 } }),
    ),

  "undici 7 `RetryAgent`": (fail) =>
    overHttp(fail, async (url) => {
      const agent = new RetryAgent(new Agent(), { maxRetries: 2, minTimeout: 1 });
      try {
        const { origin } = new URL(url);
        const { body } = await agent.request({ origin, path: "/", method: "GET" });
        await body.text();
      } finally {
        agent.close();
      }
    }),

  "axios-retry 4": (fail) =>
    overHttp(fail, (url) => {
      const client = axios.create();
      axiosRetry(client, { retries: 2 });
      return client.get(url);
    }),

  "AWS SDK 3 (`isTransientError`)": async (_, error) => (isTransientError(error) ? RETRIES : FAILS),

  "ioredis 6": (fail) =>
    overTcp(
      (socket, isFirst) => {
        socket.on("data", () => isFirst(fail) || socket.write("+PONG\r\n"));
      },
      async (port) => {
        const options = { host: HOST, port, enableReadyCheck: false, disableClientInfo: true };
        const redis = new Redis({ ...options, retryStrategy: () => 1 });
        redis.on("error", () => {});
        try {
          return await twice(() => redis.ping());
        } finally {
          redis.disconnect();
        }
      },
    ),

  "pg-pool 3": (fail) =>
    overTcp(
      (socket, isFirst) => {
        const ready = Buffer.from([0x5a, 0, 0, 0, 5, 0x49]); // ReadyForQuery
        let isStarted = false;
        const lengthOf = (rest) => {
          if (rest.length < 5) return 0;
          return isStarted ? 1 + rest.readInt32BE(1) : rest.readInt32BE(0);
        };
        messages(socket, lengthOf, (message) => {
          if (!isStarted) {
            isStarted = true;
            socket.write(Buffer.concat([Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 0]), ready]));
          } else if (message[0] === 0x51 && !isFirst(fail)) {
            const tag = Buffer.from("SELECT 0\0");
            const done = Buffer.from([0x43, 0, 0, 0, 4 + tag.length]);
            socket.write(Buffer.concat([done, tag, ready]));
          }
        });
      },
      async (port) => {
        const pool = new pg.Pool({ host: HOST, port, user: "u", database: "d", max: 1 });
        pool.on("error", () => {});
        try {
          return await twice(() => pool.query("SELECT"));
        } finally {
          await pool.end();
        }
      },
    ),

  async "mysql2 3 pool"(fail) {
    let hasFailed = false;
    const server = mysql.createServer();
    server.on("connection", (connection) => {
      connection.serverHandshake({
        protocolVersion: 10,
        serverVersion: "8.0.0",
        connectionId: 1,
        statusFlags: 2,
        characterSet: 8,
        capabilityFlags: 0xffffff ^ 0x800,
        authCallback(_, done) {
          done(null);
          connection.sequenceId = 0; // the next command begins anew
        },
      });
      connection.on("error", () => {});
      connection.on("query", () => {
        if (!hasFailed) fail(connection.stream);
        else {
          connection.writeOk();
          connection.sequenceId = 0;
        }
        hasFailed = true;
      });
    });
    const port = await new Promise((resolve) => {
      server.listen(0, HOST, () => resolve(server._server.address().port));
    });
    const pool = mysql.createPool({ host: HOST, port, user: "u", connectionLimit: 1 }).promise();
    try {
      return await twice(() => pool.query("DO 1"));
    } finally {
      await pool.end();
      server.close();
    }
  },

  "mongodb 7 (`retryReads`)": (fail) =>
    overTcp(
      (socket, isFirst) => {
        const lengthOf = (rest) => (rest.length < 4 ? 0 : rest.readInt32LE(0));
        messages(socket, lengthOf, (message) => {
          const command = BSON.deserialize(message.subarray(21)); // OP_MSG: header, flags, kind
          if (command.find && isFirst(fail)) return;
          const cursor = { firstBatch: [], id: BSON.Long.ZERO, ns: "d.c" };
          const body = BSON.serialize(command.find ? { cursor, ok: 1 } : MONGO_HELLO);
          const head = Buffer.alloc(21);
          head.writeInt32LE(21 + body.length, 0);
          head.writeInt32LE(message.readInt32LE(4), 8);
          head.writeInt32LE(2013, 12);
          socket.write(Buffer.concat([head, body]));
        });
      },
      async (port) => {
        const client = new MongoClient(`mongodb://${HOST}:${port}/?directConnection=true`, {
          serverApi: "1",
        });
        try {
          return await twice(() => client.db("d").collection("c").findOne({}));
        } finally {
          await client.close();
        }
      },
    ),

  "kafkajs 2": async (fail) => {
    let connections = 0;
    return overTcp(
      (socket, isFirst) => {
        connections++;
        socket.on("data", () => isFirst(fail));
      },
      async (port) => {
        const kafka = new Kafka({
          brokers: [`${HOST}:${port}`],
          logLevel: logLevel.NOTHING,
          requestTimeout: 300,
          retry: { retries: 1, initialRetryTime: 1 },
        });
        const admin = kafka.admin();
        await admin.connect().catch(() => {});
        await admin.disconnect().catch(() => {});
        return connections > 1 ? RETRIES : FAILS;
      },
    );
  },

  "amqp-connection-manager 5": (fail) =>
    overTcp(
      (socket, isFirst) => amqpHandshake(socket, () => isFirst(fail)),
      async (port) => {
        const manager = connectAmqp([`amqp://${HOST}:${port}`], { reconnectTimeInSeconds: 0.01 });
        try {
          await once(manager, "connect");
          await once(manager, "disconnect");
          await once(manager, "connect");
          return "connects anew";
        } finally {
          await manager.close().catch(() => {});
        }
      },
    ),
};

const MONGO_HELLO = {
  ok: 1,
  helloOk: true,
  isWritablePrimary: true,
  maxBsonObjectSize: 16_777_216,
  maxMessageSizeBytes: 48_000_000,
  maxWriteBatchSize: 100_000,
  logicalSessionTimeoutMinutes: 30,
  minWireVersion: 0,
  maxWireVersion: 21,
};

/** The server's part of AMQP 0-9-1 up to an open connection. */
function amqpHandshake(socket, opened) {
  const method = (...payload) => {
    const body = Buffer.concat(payload);
    const head = Buffer.from([1, 0, 0, 0, 0, 0, 0]);
    head.writeUInt32BE(body.length, 3);
    socket.write(Buffer.concat([head, body, Buffer.from([0xce])]));
  };
  const long = (text) => Buffer.concat([Buffer.from([0, 0, 0, text.length]), Buffer.from(text)]);

  let isGreeted = false;
  const lengthOf = (rest) => {
    if (!isGreeted) return rest.length < 8 ? 0 : 8;
    return rest.length < 7 ? 0 : 8 + rest.readUInt32BE(3);
  };
  messages(socket, lengthOf, (frame) => {
    if (!isGreeted) {
      isGreeted = true;
      method(Buffer.from([0, 10, 0, 10, 0, 9, 0, 0, 0, 0]), long("PLAIN"), long("en_US")); // start
      return;
    }
    if (frame[0] !== 1) return; // a heartbeat
    const step = frame.readUInt16BE(9);
    if (step === 11) method(Buffer.from([0, 10, 0, 30, 0, 0, 0, 2, 0, 0, 0, 0])); // tune
    if (step === 40) {
      method(Buffer.from([0, 10, 0, 41, 0])); // open-ok
      setTimeout(opened, 20);
    }
    if (step === 50) method(Buffer.from([0, 10, 0, 51])); // close-ok
  });
}
