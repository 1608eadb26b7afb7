import { AsyncLocalStorage } from "node:async_hooks";
import { channel, subscribe } from "node:diagnostics_channel";
import type { EventEmitter } from "node:events";
import type { Socket } from "node:net";
import { putHidden } from "../../watch/method-hook.ts";

/** `clientId`: the id of the node-redis client that opened the socket, since 5.12. */
export type OnOpened = (socket: Socket, clientId: string | undefined) => void;

/**
 * The listener of the client that runs now. Handlers and timers that the client sets inherit the
 * listener, so sockets that the client opens later are its own.
 */
const openers = new AsyncLocalStorage<OnOpened>();
/** The node-redis client that connects now. */
const connecting = new AsyncLocalStorage<string | undefined>();
let isSubscribed = false;

/**
 * Runs `connect` and calls `onSocket` for every socket that `connect` opens, now or in reconnects
 * that follow from it. For clients that keep their socket private. The diagnostics channel reports
 * `net.connect` on every Node line, `tls.connect` since 22.
 */
export function runAsOpener<Result>(onSocket: OnOpened, connect: () => Result): Result {
  if (!isSubscribed) {
    isSubscribed = true;
    channel(CLIENT_CONNECTS).bindStore(
      connecting,
      (traced) => (traced as { readonly clientId?: string }).clientId,
    );
    subscribe("net.client.socket", (message) => {
      const opener = openers.getStore();
      if (!opener) return;
      const { socket } = message as { socket: Socket };
      endWithinOpener(socket);
      opener(socket, connecting.getStore());
    });
  }
  return openers.run(onSocket, connect);
}

/** node-redis's own channel, since 5.12. */
const CLIENT_CONNECTS = "tracing:node-redis:connect:start";

/**
 * Calls the listeners of the socket's end as those of the one that opened it, whoever ended it: a
 * verdict, or a write of the program's that failed. The client reconnects within these listeners.
 */
function endWithinOpener(socket: Socket): void {
  const inContext = AsyncLocalStorage.snapshot();
  const emit = socket.emit as (...event: unknown[]) => boolean;
  putHidden(socket, "emit", (...event: unknown[]): boolean => {
    const tell = (): boolean => emit.apply(socket, event);
    return event[0] === "error" || event[0] === "close" ? inContext(tell) : tell();
  });
}

/**
 * Runs code that is not the client's own, such as the program's listeners: the sockets that this
 * code opens do not count as the client's.
 */
export function runAsNobody<Result>(listeners: () => Result): Result {
  return openers.exit(listeners);
}

const followers = new WeakMap<object, Set<OnOpened>>();

type Method = (this: unknown, ...args: unknown[]) => unknown;

/**
 * Returns the followers of the sockets that methods of `owner` open. The methods are wrapped once,
 * by the first watch: watches of one client may end in any order. `emitter` calls the program's
 * listeners, which run within these methods and within reconnects. The sockets that listeners open
 * are not the owner's.
 */
export function followersOf(
  owner: object,
  methods: readonly string[],
  emitter: Pick<EventEmitter, "emit">,
): Set<OnOpened> {
  const known = followers.get(owner);
  if (known) return known;
  const own = new Set<OnOpened>();
  followers.set(owner, own);

  const onSocket: OnOpened = (socket, clientId) => {
    for (const follower of own) follower(socket, clientId);
  };
  const all = owner as Record<string, Method | undefined>;
  for (const name of methods) {
    const method = all[name];
    if (typeof method !== "function") continue;
    all[name] = function openWatched(this: unknown, ...args: unknown[]): unknown {
      return runAsOpener(onSocket, () => method.apply(this, args));
    };
  }

  const { emit } = emitter;
  emitter.emit = function emitOutside(this: EventEmitter, ...args): boolean {
    return runAsNobody(() => emit.apply(this, args));
  };
  return own;
}
