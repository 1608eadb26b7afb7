// First, because what is loaded later may keep the clock.
import "./stepped-clock.ts";

import { fork } from "node:child_process";
import { connect, type Socket } from "node:net";
import { createInterface } from "node:readline";
import { connect as connectTls } from "node:tls";
import { isQuickBudget } from "../core/judge/quick-terms.ts";
import { watch } from "../watch/watch.ts";
import { LAB_CERTIFICATE } from "./certificate.ts";
import type { Inheritance } from "./heir.ts";
import { DIST } from "./lab-machine.ts";
import { applyMechanism, applyTimers } from "./mechanisms.ts";
import { PEER_PORTS, TLS_PORT_OFFSET } from "./peer-ports.ts";
import { stepClock } from "./stepped-clock.ts";
import type { SubjectCommand, SubjectConnection, SubjectEvent } from "./subject-messages.ts";
import { Talk } from "./talk.ts";

/**
 * The watched program. Opens connections on command, and reports what happens to each and when.
 */
const sockets = new Map<string, Socket>();
const talks = new Map<string, Talk>();
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
    // A connection that was handed over ends where it is now.
    if (sockets.delete(it.id)) tell({ id: it.id, event: "closed" });
  });
  socket.resume();
  sockets.set(it.id, socket);

  if (it.mechanism === "watch") {
    const w = watch(socket, {
      ...(isQuickBudget(it.budgetMs) && { heartbeat: pinging(socket), expect: "host" }),
      detectWithinMs: it.budgetMs,
      surviveOutageMs: it.surviveOutageMs,
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
    if (it.traffic === "in-flight") talks.set(it.id, new Talk(socket, it.role === "deaf"));
    tell({ id: it.id, event: "connected" });
  });
}

/**
 * Returns a heartbeat, which a short budget needs. The next pong answers all pings. The lab is
 * about hosts and paths, so a process that hangs may live on.
 */
function pinging(socket: Socket): () => Promise<void> {
  const waiting: (() => void)[] = [];
  socket.on("data", (data) => {
    if (data.includes("pong")) for (const settle of waiting.splice(0)) settle();
  });
  return () => {
    const answered = new Promise<void>((resolve) => waiting.push(resolve));
    socket.write("ping\n");
    return answered;
  };
}

function obey(command: SubjectCommand): void {
  if (command.do === "open")
    for (const it of command.connections) setTimeout(open, it.afterMs ?? 0, it);
  if (command.do === "block") block(command.ms);
  if (command.do === "say") for (const socket of sockets.values()) socket.write("data\n");
  if (command.do === "upload")
    for (const id of talks.keys()) sockets.get(id)?.write("x".repeat(command.bytes));
  if (command.do === "step-clock") stepClock(command.ms);
  if (command.do === "hand-over") handOver();
  if (command.do === "diagnose")
    for (const [id, w] of watchers) tell({ id, event: "now", diagnosis: w.diagnosis });
}

/** Blocks the event loop, as a program that parses something huge does. */
function block(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until);
}

/** Gives every connection to a child process, as a server gives sockets to its workers. */
function handOver(): void {
  const heir = fork(new URL("heir.js", DIST));
  heir.on("message", ({ id }: Pick<Inheritance, "id">) => tell({ id, event: "closed" }));
  for (const [id, socket] of sockets) {
    talks.get(id)?.stop();
    heir.send({ id, talks: talks.has(id) } satisfies Inheritance, socket);
  }
  sockets.clear();
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
