/**
 * `node --import halfopen/auto app.js`: watches every TCP and TLS socket that an unchanged program
 * opens or accepts. Settings come from the environment. See docs/auto.md, also for the cost.
 */
import type { Socket } from "node:net";
import { HalfOpenError } from "../core/errors.ts";
import { LARGEST_BUDGET_MS, SMALLEST_BUDGET_MS } from "../core/judge/probe-plan.ts";
import { endpointsOf } from "../watch/handle.ts";
import { recordOf } from "../watch/join.ts";
import { settingsOf } from "../watch/settings.ts";
import type { WatchRecord } from "../watch/subscribers.ts";
import { Watcher } from "../watch/watcher.ts";
import { adoptSockets, type Side } from "./adopt-sockets.ts";
import { autoOptionsOf } from "./auto-options.ts";
import { reportDeath } from "./death-report.ts";

const options = autoOptionsOf(process.env);
const { detectWithinMs, onDead, logsJson } = options;
// Refuses an impossible budget at the start, before the first connection.
if (detectWithinMs < SMALLEST_BUDGET_MS || detectWithinMs > LARGEST_BUDGET_MS)
  throw new HalfOpenError(
    "ERR_OPTION_RANGE",
    `HALFOPEN_DETECT_WITHIN must be from 2500ms to 1d, got ${process.env.HALFOPEN_DETECT_WITHIN}`,
  );
const settings = settingsOf({ detectWithinMs, onDead });

/** The watch of one adopted socket. The address decides whether it is wanted. */
class AdoptedSocket extends Watcher {
  readonly #side: Side;

  constructor(socket: Socket, side: Side) {
    super(socket, settings);
    this.#side = side;
    this.on("dead", (diagnosis) => reportDeath(diagnosis, onDead, logsJson));
  }

  /** Called once the socket is connected; the address is not known before. */
  isWanted(socket: Socket): boolean {
    return isWanted(socket, this.#side);
  }
}

/** The records of adopted sockets: a socket may be announced again, as a TLSSocket over it. */
const adopted = new WeakSet<WatchRecord>();

function adopt(socket: Socket, side: Side): void {
  const known = recordOf(socket);
  if (known && adopted.has(known)) return; // with the socket beneath
  const exists = !socket.pending;
  if (socket.destroyed || !(exists ? isWanted(socket, side) : socket.connecting)) return;
  try {
    new AdoptedSocket(socket, side);
    adopted.add(recordOf(socket) as WatchRecord);
  } catch (error) {
    // A socket that cannot be watched is left alone: a pipe, say.
    if (!(error instanceof HalfOpenError)) throw error;
  }
}

function isWanted(socket: Socket, side: Side): boolean {
  const { remoteAddress: address, remotePort, localPort } = endpointsOf(socket);
  if (address === undefined) return false; // a pipe
  if (!options.watchesLoopback && isLoopback(address)) return false;

  const host = (socket as Socket & { _host?: string | null })._host ?? undefined;
  // The rules of a server are about its own port, because the port of its peer is arbitrary.
  const port = side === "client" ? remotePort : localPort;
  const peer = { host, address: address.replace(/^::ffff:/, ""), port };
  return !options.deny.has(peer) && (options.allow === null || options.allow.has(peer));
}

function isLoopback(address: string): boolean {
  return address === "::1" || /^(::ffff:)?127\./.test(address);
}

adoptSockets(adopt, { servers: options.watchesServers });
