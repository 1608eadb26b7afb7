import { promisify } from "node:util";
import { connect as connectNats } from "@nats-io/transport-node";
import { connect as connectAmqp } from "amqplib";
import { connect as connectAmqpByCallback } from "amqplib/callback_api";
import { connectAsync } from "mqtt";
import * as heartbeat from "../../../dist/heartbeat/index.js";
import { Inbox, said } from "../lane.mjs";

const MESSAGES = 5;
const CONNECT_MS = 60_000;

const amqpUrl = ({ terms }) => `amqp://lab:lab@${terms.host}`;

/** Messages to send, in their order. */
function drawn(lane) {
  return Array.from({ length: MESSAGES }, () => `${lane.number(1000)}`);
}

/** @param {import("../lane.mjs").Lane} lane */
async function amqpLane(lane) {
  const connection = await connectAmqp(amqpUrl(lane), { timeout: CONNECT_MS });
  connection.on("error", () => {});
  lane.watched(heartbeat.watchAmqp, connection);
  const channel = await connection.createConfirmChannel();
  const { queue } = await channel.assertQueue("", { exclusive: true });
  const send = async (messages) => {
    for (const message of messages) channel.sendToQueue(queue, Buffer.from(message));
    await channel.waitForConfirms();
  };
  /** What a consumer gets that acknowledges each message after a while. */
  const consumed = async (workMs) => {
    const inbox = new Inbox();
    const consumer = await connection.createChannel();
    await consumer.prefetch(1);
    await consumer.consume(queue, (message) => {
      setTimeout(() => {
        consumer.ack(message);
        inbox.put(`${message.content}`);
      }, workMs / MESSAGES);
    });
    await send(drawn(lane));
    const messages = await inbox.take(MESSAGES);
    await consumer.close();
    return messages;
  };
  return {
    close: () => connection.close(),
    steps: {
      async "confirmed and got"() {
        await send(drawn(lane));
        const got = [];
        for (let i = 0; i < MESSAGES; i++) {
          const message = await channel.get(queue, { noAck: true });
          got.push(message && `${message.content}`);
        }
        return got;
      },
      consumed: () => consumed(0),
      "consumed slowly": () => consumed(lane.longMs()),
      "many channels": async () => {
        const channels = await Promise.all(
          Array.from({ length: 20 }, () => connection.createChannel()),
        );
        for (const one of channels) await one.close();
        return channels.length;
      },
      async "failed channel"() {
        const failing = await connection.createChannel();
        failing.on("error", () => {});
        const error = await failing.checkQueue("nonsense").catch(said);
        return `${error}`.replace(/\d{2,}\)?$/, "");
      },
      async "left idle"() {
        await lane.restLong();
        return (await channel.checkQueue(queue)).messageCount;
      },
    },
  };
}

/** @param {import("../lane.mjs").Lane} lane */
async function amqpCallbackLane(lane) {
  const open = /** @type {any} */ (promisify(connectAmqpByCallback));
  const connection = await open(amqpUrl(lane), { timeout: CONNECT_MS });
  connection.on("error", () => {});
  lane.watched(heartbeat.watchAmqp, connection);
  const channel = await promisify(connection.createConfirmChannel.bind(connection))();
  const call = (method, ...args) => promisify(channel[method].bind(channel))(...args);
  const { queue } = await call("assertQueue", "", { exclusive: true });
  return {
    close: () => promisify(connection.close.bind(connection))(),
    steps: {
      async "confirmed and got"() {
        for (const message of drawn(lane)) channel.sendToQueue(queue, Buffer.from(message));
        await call("waitForConfirms");
        const got = [];
        for (let i = 0; i < MESSAGES; i++)
          got.push(`${(await call("get", queue, { noAck: true })).content}`);
        return got;
      },
      async "left idle"() {
        await lane.restLong();
        return (await call("checkQueue", queue)).messageCount;
      },
    },
  };
}

/** @param {import("../lane.mjs").Lane} lane */
async function mqttLane(lane) {
  const client = await connectAsync(`mqtt://${lane.terms.host}`, {
    reconnectPeriod: 0,
    connectTimeout: CONNECT_MS,
  });
  client.on("error", () => {});
  lane.watched(heartbeat.watchMqtt, client);
  const inbox = new Inbox();
  client.on("message", (_, message) => inbox.put(`${message}`));
  const topic = lane.own("news");
  await client.subscribeAsync(topic, { qos: 1 });
  const published = async () => {
    for (const message of drawn(lane)) await client.publishAsync(topic, message, { qos: 1 });
    return inbox.take(MESSAGES);
  };
  return {
    close: () => client.endAsync(),
    steps: {
      published,
      async "left idle"() {
        await lane.restLong();
        return published();
      },
    },
  };
}

/** @param {import("../lane.mjs").Lane} lane */
async function natsLane(lane) {
  const connection = await connectNats({
    servers: lane.terms.host,
    timeout: CONNECT_MS,
    reconnect: false,
  });
  lane.watched(heartbeat.watchNats, connection);
  const subject = lane.own("double");
  connection.subscribe(subject, {
    callback(_, message) {
      const [number, afterMs] = message.string().split(" ").map(Number);
      setTimeout(() => message.respond(`${2 * number}`), afterMs);
    },
  });
  const asked = async (afterMs) => {
    const question = `${lane.number(1000)} ${afterMs}`;
    return (await connection.request(subject, question, { timeout: CONNECT_MS })).string();
  };
  return {
    close: () => (lane.number(2) === 0 ? connection.drain() : connection.close()),
    steps: {
      asked: () => asked(0),
      "many asked": () => Promise.all(Array.from({ length: 20 }, () => asked(0))),
      "asked what takes long": () => asked(lane.longMs()),
      async "left idle"() {
        await lane.restLong();
        return asked(0);
      },
    },
  };
}

export const brokers = {
  amqplib: (lane) => lane.run(amqpLane),
  "amqplib-callback": (lane) => lane.run(amqpCallbackLane),
  mqtt: (lane) => lane.run(mqttLane),
  nats: (lane) => lane.run(natsLane),
};
