import type { EventEmitter } from "node:events";
import { HalfOpenError } from "../../core/errors.ts";
import {
  ClientWatch,
  type ClientWatchOptions,
  type OnSocket,
  withAnswerOwed,
} from "../client-watch.ts";
import { followTopology, isTopology, type NodeRedisTopologyLike } from "./node-redis-topology.ts";
import { type OwnCommand, RedisCommands } from "./redis-commands.ts";
import { followersOf, type OnOpened } from "./sockets-opened-by.ts";

/** The members of a node-redis client (5 and 6) that are used here. */
export interface NodeRedisLike {
  readonly isOpen: boolean;
  readonly isReady: boolean;
  readonly isPubSubActive?: boolean;
  connect(): Promise<unknown>;
  ping(): Promise<unknown>;
}

/** Every command of a client, whichever method made it, passes through its queue. */
interface Queue {
  isEmpty(): boolean;
  addCommand(args: readonly unknown[], options?: { readonly asap?: boolean }): Promise<unknown>;
  monitor(...args: unknown[]): Promise<unknown>;
}

/**
 * The client proper. The object that createClient returns inherits from it, and so do the object's
 * variants with other options.
 */
interface Proper extends Pick<EventEmitter, "emit"> {
  readonly _self?: Proper;
  /** Since 5.11. */
  _getQueue?(): Queue;
}

/**
 * Sends PING to the Redis process. Returns `undefined`, without a PING, while the client is not
 * ready, waits for the answer to a command of its own, is between MULTI and EXEC, or monitors. A
 * blocking command whose own timeout is over stands for the PING. Before 5.11 the client hides its
 * commands, so PING is sent whenever the client is ready.
 */
export function nodeRedisPing(client: NodeRedisLike): Promise<unknown> | undefined {
  return ask(client, Number.POSITIVE_INFINITY);
}

function ask(client: NodeRedisLike, askIdleForMs: number): Promise<unknown> | undefined {
  const commands = commandsOf(client);
  if (!client.isReady || !client.isOpen) return undefined;
  if (commands === null) return client.ping();
  // Redis ends no idle subscriber
  return commands.ask(client.isPubSubActive ? Number.POSITIVE_INFINITY : askIdleForMs);
}

/**
 * Watches a node-redis client through its reconnects, or all connections of a cluster, a sentinel
 * or a pool, also those that come later. Call it before `client.connect()`: the client keeps its
 * sockets private, so the watch catches each socket as it is opened. Before 5.11 the client also
 * hides its commands: without `canAsk` only the host is judged.
 *
 * A cluster is asked on every connection. A pool and a sentinel show a client first when a command
 * runs on it, and a connection is asked from then on. What a sentinel keeps to itself, such as its
 * connections to the sentinel processes, is judged by the host.
 *
 * @throws HalfOpenError `ERR_NOT_SUPPORTED` for a client that is connected already
 */
export function watchNodeRedis(
  client: NodeRedisLike | NodeRedisTopologyLike,
  options?: ClientWatchOptions,
): ClientWatch {
  if (client.isOpen)
    throw new HalfOpenError(
      "ERR_NOT_SUPPORTED",
      "node-redis keeps its socket private; call watchNodeRedis before client.connect()",
    );
  if (isTopology(client))
    return new ClientWatch(
      (onSocket, _, askIdleForMs) =>
        followTopology(client, { commandsOf, ask: (inner) => ask(inner, askIdleForMs) }, onSocket),
      withAnswerOwed(options),
    );
  const canAsk = options?.canAsk ?? (commandsOf(client) === null ? () => false : undefined);
  return new ClientWatch(
    (onSocket, _, askIdleForMs) => follow(client, onSocket, askIdleForMs),
    withAnswerOwed({ ...options, canAsk }),
  );
}

function follow(client: NodeRedisLike, onSocket: OnSocket, askIdleForMs: number): () => void {
  const follower: OnOpened = (socket) => {
    // A client that is ready opens no socket: a listener of the program, called by the client, did
    if (client.isReady) return;
    commandsOf(client)?.connected();
    onSocket(
      socket,
      () => ask(client, askIdleForMs),
      () => !client.isOpen,
    );
  };
  const followers = followersOf(client, ["connect"], properOf(client));
  followers.add(follower);
  return () => void followers.delete(follower);
}

function properOf(client: NodeRedisLike): Proper {
  const proper = client as unknown as Proper;
  return proper._self ?? proper;
}

const commandsOfClients = new WeakMap<Proper, RedisCommands | null>();

/** Returns `null` if the client hides its commands. Its queue's methods are wrapped once. */
function commandsOf(client: NodeRedisLike): RedisCommands | null {
  const proper = properOf(client);
  const known = commandsOfClients.get(proper);
  if (known !== undefined) return known;
  const queue = proper._getQueue?.();
  const own = queue && typeof queue.isEmpty === "function" ? commandsIn(queue, client) : null;
  commandsOfClients.set(proper, own);
  return own;
}

/** Stands for a command that was sent unseen, or whose place in the order is not known. */
const UNSEEN: OwnCommand = { name: "", args: [], promise: new Promise(() => {}) };

function commandsIn(queue: Queue, client: NodeRedisLike): RedisCommands {
  const { addCommand, monitor } = queue;
  // Unanswered commands: those added at the end of the queue, and those added in front of others
  const inOrder = new Set<OwnCommand>();
  const overtaking = new Set<OwnCommand>();
  const front = (): OwnCommand | undefined => {
    const [first] = inOrder;
    if (overtaking.size === 0 && first) return first;
    return queue.isEmpty() ? undefined : UNSEEN;
  };

  const own = new RedisCommands(
    front,
    () => client.isReady,
    () => client.ping(),
  );
  const track = (
    name: string,
    args: readonly unknown[],
    isOvertaking: boolean,
    add: () => Promise<unknown>,
  ): Promise<unknown> => {
    own.sends(name);
    const isFirst = client.isReady && queue.isEmpty();
    const promise = add();

    const command = { name, args, promise };
    const unanswered = isOvertaking ? overtaking : inOrder;
    const settle = (): void => void unanswered.delete(command);
    unanswered.add(command);
    promise.then(settle, settle);

    own.sent(command, isFirst);
    return promise;
  };

  queue.addCommand = function addWatched(this: Queue, args, options): Promise<unknown> {
    return track(String(args[0]), args.slice(1), options?.asap === true, () =>
      addCommand.call(this, args, options),
    );
  };
  queue.monitor = function monitorWatched(this: Queue, ...args): Promise<unknown> {
    return track("monitor", [], false, () => monitor.apply(this, args));
  };
  return own;
}
