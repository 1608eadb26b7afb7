import { connect, type Socket } from "node:net";
import { createInterface } from "node:readline";
import { connect as connectTls } from "node:tls";
import { watch } from "../watch/watch.ts";
import { LAB_CERTIFICATE } from "./certificate.ts";
import { applyMechanism, applyTimers } from "./mechanisms.ts";
import { PEER_PORTS, TLS_PORT_OFFSET } from "./peer-ports.ts";
import type { SubjectCommand, SubjectConnection, SubjectEvent } from "./subject-messages.ts";

/**
 * The watched program. Opens connections on command, and reports what happens to each and when.
 */
const sockets = new Set<Socket>();
const watchers = new Map<string, ReturnType<typeof watch>>();

function open(it: SubjectConnection): void {
  const port = PEER_PORTS[it.role] + (it.tls ? TLS_PORT_OFFSET : 0);
  const socket: Socket = it.tls
    ? connectTls({ host: it.host, port, ca: LAB_CERTIFICATE, checkServerIdentity: () => undefined })
    : connect({ host: it.host, port });

  socket.on("error", (error: NodeJS.ErrnoException) =>
    tell({ id: it.id, event: "error", code: error.code ?? error.message }),
  );
  socket.on("close", () => {
    sockets.delete(socket);
    tell({ id: it.id, event: "closed" });
  });
  socket.resume();
  sockets.add(socket);

  if (it.mechanism === "watch") {
    const w = watch(socket, {
      detectWithinMs: it.budgetMs,
      zeroWindowToleranceMs: it.zeroWindowToleranceMs,
      label: it.id,
    });
    for (const event of ["suspect", "alive", "dead"] as const)
      w.on(event, (diagnosis) => tell({ id: it.id, event, diagnosis }));
    w.on("close", (diagnosis) => tell({ id: it.id, event: "end", diagnosis }));
    watchers.set(it.id, w);
  }

  socket.once(it.tls ? "secureConnect" : "connect", () => {
    if (it.timers) applyTimers(it.timers, socket);
    else if (it.mechanism !== "watch") applyMechanism(it.mechanism, socket, it.budgetMs);
    if (it.traffic === "in-flight") talk(socket, it.role === "deaf");
    tell({ id: it.id, event: "connected" });
  });
}

const WRITE_EVERY_MS = 100;
/** Fills the buffers of a closed window within a second. */
const BULK = "x".repeat(65_536);

function talk(socket: Socket, isBulk: boolean): void {
  const timer = setInterval(() => {
    // Respects back-pressure, as a good program does: stops writing while the peer does not read.
    if (isBulk && socket.writableLength > 8 * BULK.length) return;
    socket.write(isBulk ? BULK : "data\n");
  }, WRITE_EVERY_MS);
  socket.on("close", () => clearInterval(timer));
}

function obey(command: SubjectCommand): void {
  if (command.do === "open")
    for (const it of command.connections) setTimeout(open, it.afterMs ?? 0, it);
  if (command.do === "block") block(command.ms);
  if (command.do === "say") for (const socket of sockets) socket.write("data\n");
  if (command.do === "diagnose")
    for (const [id, w] of watchers) tell({ id, event: "now", diagnosis: w.diagnosis });
}

/** Blocks the event loop, as a program that parses something huge does. */
function block(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until);
}

function tell(
  event: SubjectEvent extends infer Event
    ? Event extends SubjectEvent
      ? Omit<Event, "at">
      : never
    : never,
): void {
  // CLOCK_MONOTONIC is the same for all processes of a machine.
  process.stdout.write(
    `${JSON.stringify({ ...event, at: Number(process.hrtime.bigint() / 1000n) / 1000 })}\n`,
  );
}

createInterface({ input: process.stdin })
  .on("line", (line) => obey(JSON.parse(line) as SubjectCommand))
  .on("close", () => process.exit(0));
