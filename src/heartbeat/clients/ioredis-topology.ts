/** The members of an ioredis client (5 and 6) that are used here. */
export interface IoredisLike {
  readonly status: string;
  readonly stream?: unknown;
  ping(): Promise<unknown>;
  on(event: "connect" | "end", listener: () => void): unknown;
  off(event: "connect", listener: () => void): unknown;
}

/** The members of an ioredis Cluster (5 and 6) that are used here. */
export interface IoredisClusterLike {
  readonly isCluster: true;
  nodes(): readonly IoredisLike[];
  on(event: "+node" | "-node", listener: (node: IoredisLike) => void): unknown;
  off(event: "+node" | "-node", listener: (node: IoredisLike) => void): unknown;
}

/** Follows the sockets of one client, and returns the function that stops it. */
type FollowNode = (node: IoredisLike) => () => void;

type OnNode = (node: IoredisLike) => void;

/** The connection for pub/sub. A new one is chosen when its node goes. */
interface Subscriber {
  getInstance(): IoredisLike | null;
  selectSubscriber(): void;
}

interface ClusterInsides {
  readonly subscriber?: Subscriber;
  /** With the option `shardedSubscribers`: one for each master. */
  readonly shardedSubscribers?: { readonly shardedSubscribers: Map<string, Subscriber> };
}

interface SentinelConnector {
  connectToSentinel(...args: unknown[]): IoredisLike;
  /** With the option `failoverDetector`: connections that stay. */
  readonly failoverDetector?: {
    readonly sentinels?: readonly { readonly client: IoredisLike }[];
  } | null;
}

/**
 * Follows every client that a Cluster makes for itself: one for each node, and those for pub/sub.
 * The clients that ask for the slots last no longer than `slotsRefreshTimeout`, and are left out.
 */
export function followCluster(cluster: IoredisClusterLike, followNode: FollowNode): () => void {
  const followed = new Followed(followNode);
  const { subscriber, shardedSubscribers } = cluster as IoredisClusterLike & ClusterInsides;
  const sharded = shardedSubscribers?.shardedSubscribers;

  for (const node of cluster.nodes()) followed.begin(node);
  for (const one of [subscriber, ...(sharded?.values() ?? [])]) followed.begin(one?.getInstance());

  cluster.on("+node", followed.begin);
  cluster.on("-node", followed.end);
  const stops = [
    subscriber && onMade(subscriber, "selectSubscriber", () => subscriber.getInstance(), followed),
    sharded && onMade(sharded, "set", (_, one) => (one as Subscriber).getInstance(), followed),
  ];
  return () => {
    cluster.off("+node", followed.begin);
    cluster.off("-node", followed.end);
    for (const stop of stops) stop?.();
    followed.endAll();
  };
}

/** Follows the connections of a client to its Sentinels. */
export function followSentinels(redis: IoredisLike, followNode: FollowNode): () => void {
  const { connector } = redis as { readonly connector?: Partial<SentinelConnector> };
  if (typeof connector?.connectToSentinel !== "function") return () => {};
  const followed = new Followed(followNode);
  for (const { client } of connector.failoverDetector?.sentinels ?? []) followed.begin(client);

  const stop = onMade(connector, "connectToSentinel", (client) => client as IoredisLike, followed);
  return () => {
    stop();
    followed.endAll();
  };
}

/** The followed clients of one watch. A client that has ended makes no more connections. */
class Followed {
  readonly #follow: FollowNode;
  readonly #stops: Map<IoredisLike, () => void> = new Map();

  constructor(follow: FollowNode) {
    this.#follow = follow;
  }

  readonly begin = (node: IoredisLike | null | undefined): void => {
    if (!node || this.#stops.has(node)) return;
    this.#stops.set(node, this.#follow(node));
    node.on("end", () => this.end(node));
  };

  readonly end: OnNode = (node) => {
    this.#stops.get(node)?.();
    this.#stops.delete(node);
  };

  endAll(): void {
    for (const node of [...this.#stops.keys()]) this.end(node);
  }
}

/** The watches that hear of the clients made by one method of one object. */
const hearers = new WeakMap<object, Set<Followed>>();

/**
 * Calls `followed` for each client that a method of `maker` makes. `madeBy` gets the result and the
 * last argument of the method. The method is wrapped once: watches of one client may end in any
 * order.
 */
function onMade(
  maker: object,
  method: string,
  madeBy: (result: unknown, lastArgument: unknown) => IoredisLike | null,
  followed: Followed,
): () => void {
  let all = hearers.get(maker);
  if (!all) {
    const own = new Set<Followed>();
    hearers.set(maker, own);
    all = own;

    const methods = maker as Record<string, (...args: unknown[]) => unknown>;
    const made = methods[method] as (...args: unknown[]) => unknown;
    methods[method] = function makeFollowed(this: unknown, ...args: unknown[]): unknown {
      const result = made.apply(this, args);
      for (const one of own) one.begin(madeBy(result, args.at(-1)));
      return result;
    };
  }
  all.add(followed);
  return () => void hearers.get(maker)?.delete(followed);
}
