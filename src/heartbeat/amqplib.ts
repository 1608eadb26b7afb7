import type { Socket } from "node:net";
import { ClientWatch, type ClientWatchOptions } from "./client-watch.ts";

/** What is used of a connection of amqplib (promise API). */
export interface AmqpLike {
  createChannel(): Promise<{ close(): Promise<unknown>; on(event: "error", listener: () => void): unknown }>;
  on(event: "blocked" | "unblocked", listener: () => void): unknown;
  off(event: "blocked" | "unblocked", listener: () => void): unknown;
}

/** AMQP's own heartbeats are never answered. Opening a channel is: the broker's process must act. The channel is closed again. */
export async function amqpPing(connection: AmqpLike): Promise<void> {
  const channel = await connection.createChannel();
  channel.on("error", () => {});
  await channel.close();
}

/** Watches an amqplib connection. While the broker has blocked it (a memory or disk alarm) it reads nothing, so only its host is judged. */
export function watchAmqp(connection: AmqpLike, options?: ClientWatchOptions): ClientWatch {
  return new ClientWatch((onSocket) => {
    let isBlocked = false;
    const block = (): void => {
      isBlocked = true;
    };
    const unblock = (): void => {
      isBlocked = false;
    };
    connection.on("blocked", block);
    connection.on("unblocked", unblock);
    const { stream } = (connection as { connection?: { stream?: Socket } }).connection ?? {};
    if (stream) onSocket(stream, () => (isBlocked ? undefined : amqpPing(connection)));
    return () => {
      connection.off("blocked", block);
      connection.off("unblocked", unblock);
    };
  }, options);
}
