import type { Socket } from "node:net";
import { ClientWatch, type ClientWatchOptions, withAnswerOwed } from "../client-watch.ts";

/** The members of an amqplib connection (promise or callback API) that are used here. */
export interface AmqpLike {
  createChannel(...args: never[]): unknown;
  on(event: "blocked" | "unblocked", listener: () => void): unknown;
  off(event: "blocked" | "unblocked", listener: () => void): unknown;
}

interface Channel {
  /** The callback API closes with a callback, the promise API returns a promise. */
  close(onClose?: () => void): PromiseLike<unknown> | unknown;
  on(event: "error", listener: () => void): unknown;
}

type OnChannel = (error: Error | null, channel: Channel) => void;

interface Insides {
  readonly connection?: {
    readonly stream?: Socket;
    readonly channelMax?: number;
    readonly freeChannels?: { nextClearBit(from: number): number };
    /** An own property that refuses, in place of the prototype's, once the connection closes. */
    readonly sendMethod?: unknown;
  };
}

/**
 * Opens a channel and closes it again. AMQP's own heartbeats are never answered; the opening of a
 * channel is, by the broker's process. Returns `undefined` when the client itself would refuse the
 * opening: it has no channel left, or its program has closed it.
 */
export function amqpPing(connection: AmqpLike): Promise<void> | undefined {
  if (hasEnded(connection)) return undefined;
  const { freeChannels, channelMax } = (connection as Insides).connection ?? {};
  const number = freeChannels?.nextClearBit(1) ?? 1;
  return number < 0 || (channelMax !== undefined && number > channelMax)
    ? undefined
    : openAndClose(connection);
}

function hasEnded(connection: AmqpLike): boolean {
  return Object.hasOwn((connection as Insides).connection ?? {}, "sendMethod");
}

async function openAndClose(connection: AmqpLike): Promise<void> {
  const channel = await openChannel(connection);
  channel.on("error", () => {});
  // The opening was the proof. The end of the channel does not matter
  await channel.close(() => {});
}

/** The callback API calls back. The promise API ignores the callback and returns a promise. */
function openChannel(connection: AmqpLike): Promise<Channel> {
  return new Promise((resolve, reject) => {
    const { createChannel } = connection as unknown as {
      createChannel(onChannel: OnChannel): object;
    };
    const made = createChannel.call(connection, (error, channel) =>
      error ? reject(error) : resolve(channel),
    );
    if ("then" in made) resolve(made as Promise<Channel>);
  });
}

/**
 * Watches an amqplib connection. A broker with a memory or disk alarm blocks the connection and
 * reads nothing from it; while blocked, only the broker's host is judged.
 */
export function watchAmqp(connection: AmqpLike, options?: ClientWatchOptions): ClientWatch {
  return new ClientWatch((onSocket, onNothing) => {
    let isBlocked = false;
    const block = (): void => {
      isBlocked = true;
    };
    const unblock = (): void => {
      isBlocked = false;
    };
    connection.on("blocked", block);
    connection.on("unblocked", unblock);

    const { stream } = (connection as Insides).connection ?? {};
    if (stream)
      onSocket(
        stream,
        () => (isBlocked ? undefined : amqpPing(connection)),
        () => hasEnded(connection),
      );
    else onNothing("the connection shows no stream; pass what amqplib's connect() gives");

    return () => {
      connection.off("blocked", block);
      connection.off("unblocked", unblock);
    };
  }, withAnswerOwed(options));
}
