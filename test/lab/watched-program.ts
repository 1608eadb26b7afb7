import type { LabProcess } from "../../src/lab/lab-machine.ts";
import type { Network } from "../../src/lab/network.ts";
import { program, said } from "../../src/lab/run-fault.ts";
import type {
  SubjectCommand,
  SubjectConnection,
  SubjectEvent,
} from "../../src/lab/subject-messages.ts";

export interface WatchedProgram {
  readonly process: LabProcess;
  readonly events: readonly SubjectEvent[];
  send(command: SubjectCommand): Promise<void>;
  /** Resolves with the first event of this kind and id, past or future. */
  event<Kind extends SubjectEvent["event"]>(
    kind: Kind,
    id: string,
  ): Promise<SubjectEvent & { event: Kind }>;
}

/**
 * Starts the lab's peer on the right and its watched program on the left, and opens connections
 * between them.
 */
export async function startWatchedProgram(
  network: Network,
  connections: readonly (Omit<SubjectConnection, "host" | "tls" | "mechanism" | "role"> &
    Partial<SubjectConnection>)[],
  env: Record<string, string> = {},
  runtime: readonly string[] = [process.execPath],
): Promise<WatchedProgram> {
  const peer = await network.spawn("right", [process.execPath, program("peer.js")]);
  await said(peer, "ready");
  const subject = await network.spawn("left", [...runtime, program("subject.js")], {
    unprivileged: true,
    env,
  });
  const events: SubjectEvent[] = [];
  const waiting = new Set<() => void>();
  subject.onLine((line) => {
    events.push(JSON.parse(line) as SubjectEvent);
    for (const wake of waiting) wake();
  });
  const watched: WatchedProgram = {
    process: subject,
    events,
    send: (command) => subject.write(JSON.stringify(command)),
    event: (kind, id) =>
      new Promise((resolve) => {
        const look = (): void => {
          const found = events.find((event) => event.event === kind && event.id === id);
          if (!found) return;
          waiting.delete(look);
          resolve(found as SubjectEvent & { event: typeof kind });
        };
        waiting.add(look);
        look();
      }),
  };
  const host = network.address("right");
  await watched.send({
    do: "open",
    connections: connections.map((it) => ({
      mechanism: "watch",
      role: "sink",
      tls: false,
      host,
      ...it,
    })),
  });
  for (const { id } of connections) await watched.event("connected", id);
  return watched;
}
