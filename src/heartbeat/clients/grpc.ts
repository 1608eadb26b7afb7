import type { Http2Session } from "node:http2";
import type { Socket } from "node:net";
import { HalfOpenError } from "../../core/errors.ts";
import { nextTick } from "../../kernel/clock.ts";
import { ClientWatch, type ClientWatchOptions, withAnswerOwed } from "../client-watch.ts";
import { http2Ping } from "./http2.ts";

/** The member of a client of @grpc/grpc-js (1) that is used here. */
export interface GrpcClientLike {
  getChannel(): object;
}

interface Subchannel {
  readonly transport?: { readonly session?: Http2Session } | null;
  addConnectivityStateListener(listener: () => void): void;
  removeConnectivityStateListener(listener: () => void): void;
}

/** A channel's use of a subchannel. Other channels to the same target share the subchannel. */
interface SubchannelUse {
  getRealSubchannel(): Subchannel;
}

interface InternalChannel {
  readonly wrappedSubchannels: Iterable<SubchannelUse>;
  addWrappedSubchannel(use: SubchannelUse): void;
  removeWrappedSubchannel(use: SubchannelUse): void;
}

/** Sends what {@link http2Ping} sends. */
export const grpcPing: typeof http2Ping = http2Ping;

/**
 * Watches the connections of a gRPC client's channel: the present ones and all that follow, also
 * several at once (round_robin). The channel's own pings (`grpc.keepalive_time_ms`) go on beside.
 *
 * @throws HalfOpenError `ERR_NOT_SUPPORTED` for a channel that is not of @grpc/grpc-js
 */
export function watchGrpc(client: GrpcClientLike, options?: ClientWatchOptions): ClientWatch {
  const { internalChannel: channel } = client.getChannel() as { internalChannel?: InternalChannel };
  if (typeof channel?.addWrappedSubchannel !== "function")
    throw new HalfOpenError(
      "ERR_NOT_SUPPORTED",
      "the client has no channel of @grpc/grpc-js 1; pass a client made by that package",
    );

  return new ClientWatch(
    (onSocket) =>
      followChannel(channel, (session) =>
        onSocket(
          session.socket as Socket,
          () => http2Ping(session),
          () => session.destroyed,
        ),
      ),
    withAnswerOwed(options),
  );
}

interface Follower {
  begin(use: SubchannelUse): void;
  end(use: SubchannelUse): void;
}

const followers = new WeakMap<InternalChannel, Set<Follower>>();

/**
 * The channel keeps its subchannels private, so the methods that add and remove them are wrapped.
 * They are wrapped once, by the first watch: watches of one channel may end in any order.
 */
function followersOf(channel: InternalChannel): Set<Follower> {
  const known = followers.get(channel);
  if (known) return known;
  const own = new Set<Follower>();
  followers.set(channel, own);

  const { addWrappedSubchannel, removeWrappedSubchannel } = channel;
  channel.addWrappedSubchannel = function addWatched(
    this: InternalChannel,
    use: SubchannelUse,
  ): void {
    for (const follower of own) follower.begin(use);
    addWrappedSubchannel.call(this, use);
  };

  channel.removeWrappedSubchannel = function removeWatched(
    this: InternalChannel,
    use: SubchannelUse,
  ): void {
    for (const follower of own) follower.end(use);
    removeWrappedSubchannel.call(this, use);
  };
  return own;
}

function followChannel(
  channel: InternalChannel,
  onSession: (session: Http2Session) => void,
): () => void {
  const uses = new Map<SubchannelUse, () => void>();
  const follower: Follower = {
    begin: (use) => void uses.set(use, followSubchannel(use.getRealSubchannel(), onSession)),
    end(use) {
      uses.get(use)?.();
      uses.delete(use);
    },
  };

  for (const use of channel.wrappedSubchannels) follower.begin(use);
  followersOf(channel).add(follower);

  return () => {
    followersOf(channel).delete(follower);
    for (const use of [...uses.keys()]) follower.end(use);
  };
}

function followSubchannel(
  subchannel: Subchannel,
  onSession: (session: Http2Session) => void,
): () => void {
  let newest: Http2Session | undefined;
  const find = (): void => {
    const session = subchannel.transport?.session;
    if (!session || session === newest || session.destroyed) return;
    newest = session;
    onSession(session);
  };
  // The subchannel reports that it is ready before it has its transport
  const onState = (): void => nextTick(find);

  find();
  subchannel.addConnectivityStateListener(onState);
  return () => subchannel.removeConnectivityStateListener(onState);
}
