/**
 * `node --import halfopen/auto app.js`: watches every TCP and TLS socket that an unchanged program
 * opens or accepts. Settings come from the environment. See docs/auto.md, also for the cost.
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
  // The address decides whether a socket is watched, and is known once the socket is connected.
  if (socket.pending) socket.once("connect", () => begin(socket, side));
  else begin(socket, side);
}

function begin(socket: Socket, side: Side): void {
  const { remoteAddress: address } = socket;
  if (address === undefined || socket.destroyed) return; // a pipe, or already closed
  if (!options.watchesLoopback && isLoopback(address)) return;

  const host = (socket as Socket & { _host?: string | null })._host ?? undefined;
  // The rules of a server are about its own port, because the port of its peer is arbitrary.
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
    // A socket that cannot be watched is left alone. With TLS over a stream, for example, the
    // socket underneath is watched by itself.
    if (!(error instanceof HalfOpenError)) throw error;
  }
}

function isLoopback(address: string): boolean {
  return address === "::1" || /^(::ffff:)?127\./.test(address);
}

adoptSockets(adopt, { servers: options.watchesServers });
// Refuses an impossible budget at the start, before the first connection.
if (detectWithinMs < SMALLEST_BUDGET_MS || detectWithinMs > LARGEST_BUDGET_MS)
  throw new HalfOpenError(
    "ERR_OPTION_RANGE",
    `HALFOPEN_DETECT_WITHIN must be from 2500ms to 1d, got ${process.env.HALFOPEN_DETECT_WITHIN}`,
  );
