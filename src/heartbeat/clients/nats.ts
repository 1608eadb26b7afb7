import type { Socket } from "node:net";
import { ClientWatch, type ClientWatchOptions } from "../client-watch.ts";

/** The members of a NATS connection (@nats-io/transport-node 3, nats 2) that are used here. */
export interface NatsLike {
  rtt(): Promise<number>;
  isClosed(): boolean;
  status(): AsyncIterable<{ readonly type: string }>;
}

interface Insides {
  readonly protocol?: {
    readonly transport?: { readonly socket?: Socket };
    readonly connected?: boolean;
  };
}

/**
 * Sends PING and resolves with the round-trip time in ms. Returns `undefined` while the client
 * reconnects.
 */
export function natsPing(connection: NatsLike): Promise<number> | undefined {
  return (connection as Insides).protocol?.connected === false ? undefined : connection.rtt();
}

/** Watches a NATS connection through its reconnects. */
export function watchNats(connection: NatsLike, options?: ClientWatchOptions): ClientWatch {
  return new ClientWatch((onSocket) => {
    let isFollowing = true;
    const begin = (): void => {
      const socket = (connection as Insides).protocol?.transport?.socket;
      if (socket && !socket.destroyed) onSocket(socket, () => natsPing(connection));
    };
    begin();

    const follow = async (): Promise<void> => {
      for await (const { type } of connection.status()) {
        if (!isFollowing) return;
        if (type === "reconnect") begin();
      }
    };
    // The loop ends with the connection, which reports its errors elsewhere
    follow().catch(() => {});
    return () => {
      isFollowing = false;
    };
  }, options);
}
