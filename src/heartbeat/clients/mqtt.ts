import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { carriedBy } from "../carrier.ts";
import { ClientWatch, type ClientWatchOptions } from "../client-watch.ts";
import { runAsOpener } from "./sockets-opened-by.ts";

/** The members of an mqtt.js client (5) that are used here. */
export interface MqttLike {
  readonly connected: boolean;
  /** The program has ended the client. */
  readonly disconnecting?: boolean;
  readonly stream: unknown;
  sendPing(): unknown;
  on(event: "connect" | "close", listener: () => void): unknown;
  on(event: "packetreceive", listener: (packet: { cmd: string }) => void): unknown;
  off(event: "connect" | "close", listener: () => void): unknown;
  off(event: "packetreceive", listener: (packet: { cmd: string }) => void): unknown;
}

function hasEnded(client: MqttLike): boolean {
  return client.disconnecting === true;
}

/**
 * Sends PINGREQ (MQTT 5, 3.12) and resolves with the next PINGRESP. Returns `undefined` while the
 * client is not connected, and once its program has ended it: a client must send nothing after its
 * DISCONNECT (3.14.4).
 */
export function mqttPing(client: MqttLike): Promise<void> | undefined {
  if (!client.connected || hasEnded(client)) return undefined;
  return new Promise((resolve, reject) => {
    const settle = (): void => {
      client.off("packetreceive", onPacket);
      client.off("close", onClose);
    };
    const onPacket = ({ cmd }: { cmd: string }): void => {
      if (cmd !== "pingresp") return;
      settle();
      resolve();
    };
    const onClose = (): void => {
      settle();
      reject(new Error("the connection closed before PINGRESP"));
    };

    client.on("packetreceive", onPacket);
    client.on("close", onClose);
    client.sendPing();
  });
}

/**
 * Watches an mqtt.js client over TCP, TLS or WebSockets through its reconnects.
 *
 * A stream over a WebSocket hides its socket. The watch sees the socket as it is opened: of a
 * connection that was begun before the watch, only the heartbeat is evidence. With the client's
 * option `manualConnect`, the watch can come first. Over TLS it sees the socket since Node 22.
 */
export function watchMqtt(client: MqttLike, options?: ClientWatchOptions): ClientWatch {
  return new ClientWatch((onSocket) => {
    findCarriers(client);
    const begin = (): void =>
      onSocket(
        client.stream as Duplex,
        () => mqttPing(client),
        () => hasEnded(client),
      );
    if (client.connected) begin();
    client.on("connect", begin);
    return () => void client.off("connect", begin);
  }, options);
}

type StreamBuilder = (client: MqttLike) => Duplex;

const withCarriers = new WeakSet<MqttLike>();

/** Remembers which socket carries each stream that the client makes. Wrapped once. */
function findCarriers(client: MqttLike): void {
  const insides = client as MqttLike & { streamBuilder?: StreamBuilder };
  const { streamBuilder } = insides;
  if (withCarriers.has(client) || typeof streamBuilder !== "function") return;
  withCarriers.add(client);

  insides.streamBuilder = function buildWatched(this: unknown, of: MqttLike): Duplex {
    let carrier: Socket | undefined;
    let stream: Duplex | undefined;
    // The socket of a WebSocket may be opened during the call or after it
    const onSocket = (socket: Socket): void => {
      carrier ??= socket;
      if (stream && stream !== carrier) carriedBy(stream, carrier);
    };
    stream = runAsOpener(onSocket, () => streamBuilder.call(this, of));
    if (carrier) onSocket(carrier);
    return stream;
  };
}
