import type { Socket } from "node:net";
import { ClientWatch, type ClientWatchOptions } from "../client-watch.ts";

/** The members of an mqtt.js client (5) that are used here. */
export interface MqttLike {
  readonly connected: boolean;
  readonly stream: unknown;
  sendPing(): unknown;
  on(event: "connect" | "close", listener: () => void): unknown;
  on(event: "packetreceive", listener: (packet: { cmd: string }) => void): unknown;
  off(event: "connect" | "close", listener: () => void): unknown;
  off(event: "packetreceive", listener: (packet: { cmd: string }) => void): unknown;
}

/**
 * Sends PINGREQ (MQTT 5, 3.12) and resolves with the next PINGRESP. Returns `undefined` while the
 * client is not connected.
 */
export function mqttPing(client: MqttLike): Promise<void> | undefined {
  if (!client.connected) return undefined;
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

/** Watches an mqtt.js client over TCP or TLS through its reconnects. */
export function watchMqtt(client: MqttLike, options?: ClientWatchOptions): ClientWatch {
  return new ClientWatch((onSocket) => {
    const begin = (): void => onSocket(client.stream as Socket, () => mqttPing(client));
    if (client.connected) begin();
    client.on("connect", begin);
    return () => void client.off("connect", begin);
  }, options);
}
