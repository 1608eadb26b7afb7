/**
 * `node --import halfopen/auto app.js`: watches every TCP and TLS socket of a program whose code is
 * not changed, those it opens and those it accepts. Settings come from the environment; see
 * docs/auto.md, also for what it costs.
 */
import type { Socket } from "node:net";
import { HalfOpenError } from "../core/errors.ts";
import { LARGEST_BUDGET_MS, SMALLEST_BUDGET_MS } from "../core/judge/probe-plan.ts";
import { watch } from "../watch/watch.ts";
import { adoptSockets, type Side } from "./adopt-sockets.ts";
import { autoOptionsOf } from "./auto-options.ts";
import { reportDeath } from "./death-report.ts";

const options = autoOptionsOf(process.env);
const { detectWithinMs, onDead, logsJson } = options;

function adopt(socket: Socket, side: Side): void {
  // Its address is known when it is connected; only then can it be told whether it is to be
  // watched.
  if (socket.pending) socket.once("connect", () => begin(socket, side));
  else begin(socket, side);
}

function begin(socket: Socket, side: Side): void {
  const { remoteAddress: address } = socket;
  if (address === undefined || socket.destroyed) return; // a pipe, or over already
  if (!options.watchesLoopback && isLoopback(address)) return;
  const host = (socket as Socket & { _host?: string | null })._host ?? undefined;
  // A server's rules are about its own port: the peer's is an arbitrary one.
  const peer = {
    host,
    address: address.replace(/^::ffff:/, ""),
    port: side === "client" ? socket.remotePort : socket.localPort,
  };
  if (options.deny.has(peer) || (options.allow && !options.allow.has(peer))) return;
  try {
    watch(socket, { detectWithinMs, onDead }).on("dead", (diagnosis) =>
      reportDeath(diagnosis, onDead, logsJson),
    );
  } catch (error) {
    // What cannot be watched (TLS over a stream, say) is left as it is; its socket underneath is
    // watched by itself.
    if (!(error instanceof HalfOpenError)) throw error;
  }
}

function isLoopback(address: string): boolean {
  return address === "::1" || /^(::ffff:)?127\./.test(address);
}

adoptSockets(adopt, { servers: options.watchesServers });
// Refuses a budget that cannot be kept now, at the start, and not at the first connection.
if (detectWithinMs < SMALLEST_BUDGET_MS || detectWithinMs > LARGEST_BUDGET_MS)
  throw new HalfOpenError(
    "ERR_OPTION_RANGE",
    `HALFOPEN_DETECT_WITHIN must be from 2500ms to 1d, got ${process.env.HALFOPEN_DETECT_WITHIN}`,
  );
