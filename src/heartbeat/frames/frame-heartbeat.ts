import { Duplex } from "node:stream";
import { HalfOpenError } from "../../core/errors.ts";
import { FrameChannel } from "./frame-channel.ts";
import type { FrameCodec } from "./frame-codec.ts";

/**
 * Puts a heartbeat into a protocol of your own: returns a stream of whole messages over `source`, a
 * `net.Socket` or any other Duplex, whose `heartbeat` goes to `watch`. Both ends use it with the
 * same codec ({@link lengthPrefixed}, {@link newline}, or one of your own).
 *
 * ```ts
 * const channel = frameHeartbeat(socket, newline());
 * watch(socket, { detectWithinMs: 5000, heartbeat: channel.heartbeat });
 * channel.on("data", (line) => channel.write(`you said ${line}`));
 * ```
 *
 * @throws HalfOpenError `ERR_OPTION_RANGE`, `ERR_NOT_CONNECTED` for a destroyed stream
 */
export function frameHeartbeat<Message>(
  source: Duplex,
  codec: FrameCodec<Message>,
  options: FrameHeartbeatOptions = {},
): FrameChannel<Message> {
  const { helloWithinMs = DEFAULT_HELLO_MS } = options;

  if (!(source instanceof Duplex))
    throw refused(`source must be a net.Socket or another Duplex, got ${typeof source}`);
  if (source.destroyed)
    throw new HalfOpenError(
      "ERR_NOT_CONNECTED",
      "the stream is destroyed; call frameHeartbeat while it is open",
    );

  for (const name of ["encodeMessage", "encodeControl", "decoder"] as const)
    if (typeof codec?.[name] !== "function")
      throw refused(
        `codec has no ${name}(): use lengthPrefixed(), newline(), or one of your own with it`,
      );

  if (!(helloWithinMs >= SMALLEST_HELLO_MS && helloWithinMs <= LARGEST_HELLO_MS))
    throw refused(
      `helloWithinMs must be a number of milliseconds from ${SMALLEST_HELLO_MS} to ${LARGEST_HELLO_MS}, got ${String(helloWithinMs)}`,
    );

  return new FrameChannel(source, codec, helloWithinMs);
}

export interface FrameHeartbeatOptions {
  /**
   * Longest time in ms until the peer's greeting has come, counted from the connection if that is
   * still being made; 100 to 3600000, default 10000.
   */
  readonly helloWithinMs?: number;
}

const DEFAULT_HELLO_MS = 10_000;
const SMALLEST_HELLO_MS = 100;
const LARGEST_HELLO_MS = 3_600_000;

function refused(message: string): HalfOpenError {
  return new HalfOpenError("ERR_OPTION_RANGE", message);
}
