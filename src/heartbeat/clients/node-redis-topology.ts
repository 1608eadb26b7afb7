import type { EventEmitter } from "node:events";
import type { OnSocket } from "../client-watch.ts";
import type { RedisCommands } from "./redis-commands.ts";
import { followersOf, type OnOpened, runAsNobody } from "./sockets-opened-by.ts";

/** The members of a node-redis cluster, sentinel or pool (5 and 6) that are used here. */
export interface NodeRedisTopologyLike {
  readonly isOpen: boolean;
  connect(): Promise<unknown>;
}

/** A client that a cluster, sentinel or pool made for one of its connections. */
export interface InnerClient {
  readonly isOpen: boolean;
  readonly isReady: boolean;
  readonly _clientId?: string;
  connect(): Promise<unknown>;
  ping(): Promise<unknown>;
}

type CommandsOf = (client: InnerClient) => RedisCommands | null;

/** How an inner client is asked: as any client is. */
interface Asking {
  readonly commandsOf: CommandsOf;
  ask(client: InnerClient): Promise<unknown> | undefined;
}

interface ClusterNode {
  readonly client?: InnerClient;
  /** For sharded pub/sub. */
  readonly pubSub?: { readonly client: InnerClient };
}

type RunOn = (client: InnerClient) => unknown;

/** Which of these members it has tells its kind. */
interface Insides {
  readonly _self?: Proper;
  /** A cluster. */
  readonly nodeByAddress?: Map<string, ClusterNode>;
  readonly pubSubNode?: { readonly client: InnerClient };
  /** A sentinel. */
  getSentinelNode?(): unknown;
  _execute?(isReadOnly: boolean, run: RunOn): Promise<unknown>;
  /** A pool. */
  readonly totalClients?: number;
  execute?(run: RunOn): Promise<unknown>;
}

interface Proper extends Insides, Pick<EventEmitter, "emit"> {}

/** Methods within which connections are made. */
const OPENING = ["connect", "execute", "_execute", "subscribe", "pSubscribe", "sSubscribe"];

export function isTopology(client: object): client is NodeRedisTopologyLike {
  return "nodeByAddress" in client || "getSentinelNode" in client || "totalClients" in client;
}

/**
 * Follows every socket that a topology opens. The clients on these sockets are the topology's own
 * secret, but each has an id, which node-redis names when the client connects (since 5.12) and
 * which the client shows. A client is asked once it is known by its id.
 */
export function followTopology(
  topology: NodeRedisTopologyLike,
  { commandsOf, ask }: Asking,
  onSocket: OnSocket,
): () => void {
  const proper = (topology as Insides)._self ?? (topology as unknown as Proper);
  const shown = shownClientsOf(proper, commandsOf);
  const find = (id: string): InnerClient | undefined => {
    for (const client of clientsOf(proper)) if (client._clientId === id) return client;
    return shown.get(id)?.deref();
  };

  const follower: OnOpened = (socket, id) => {
    if (id === undefined) {
      onSocket(socket, () => undefined);
      return;
    }
    const known = find(id);
    // A client that is ready opens no socket: a listener of the program, called by it, did
    if (known?.isReady) return;
    if (known) commandsOf(known)?.connected();
    onSocket(
      socket,
      () => {
        const client = find(id);
        return client && ask(client);
      },
      () => find(id)?.isOpen === false,
    );
  };
  const followers = followersOf(proper, OPENING, proper);
  followers.add(follower);
  return () => void followers.delete(follower);
}

/** Yields the clients that a cluster shows. */
function* clientsOf({ nodeByAddress, pubSubNode }: Insides): Generator<InnerClient> {
  for (const { client, pubSub } of nodeByAddress?.values() ?? []) {
    if (client) yield client;
    if (pubSub) yield pubSub.client;
  }
  if (pubSubNode) yield pubSubNode.client;
}

/** The clients that a pool or a sentinel has run a command on, by their id. */
type Shown = Map<string, WeakRef<InnerClient>>;

const shownBy = new WeakMap<object, Shown>();

/** The methods of a pool or a sentinel that run something on a client are wrapped once. */
function shownClientsOf(proper: Insides, commandsOf: CommandsOf): Shown {
  const known = shownBy.get(proper);
  if (known) return known;
  const shown: Shown = new Map();
  shownBy.set(proper, shown);
  const forget = new FinalizationRegistry<string>((id) => void shown.delete(id));

  const runShown =
    (run: RunOn): RunOn =>
    (client) => {
      const id = client._clientId;
      if (id !== undefined && !shown.has(id)) {
        shown.set(id, new WeakRef(client));
        forget.register(client, id);
        commandsOf(client);
      }
      return runAsNobody(() => run(client));
    };

  if (proper.nodeByAddress) return shown;
  const { execute, _execute } = proper;
  if (execute)
    proper.execute = function executeShown(this: Insides, run): Promise<unknown> {
      return execute.call(this, runShown(run));
    };
  if (_execute)
    proper._execute = function executeShown(this: Insides, isReadOnly, run): Promise<unknown> {
      return _execute.call(this, isReadOnly, runShown(run));
    };
  return shown;
}
