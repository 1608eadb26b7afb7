import type { Diagnosis } from "../../src/core/diagnosis.ts";
import type { LabProcess } from "../../src/lab/lab-machine.ts";
import type { Host, Network } from "../../src/lab/network.ts";
import { said } from "../../src/lab/run-fault.ts";

const file = (name: string): string => new URL(name, import.meta.url).pathname;

/** A connection of causes-program.mjs. */
export interface Opened {
  readonly id: string;
  readonly host: string;
  readonly port: number;
  readonly budgetMs: number;
  readonly family?: 4 | 6;
  readonly localAddress?: string;
  readonly mark?: number;
  readonly device?: string;
  readonly uid?: number;
  /** A process whose network namespace the socket is made in. */
  readonly namespaceOf?: number;
}

export interface Told {
  readonly id: string;
  readonly event: string;
  readonly at: number;
  readonly diagnosis: Diagnosis | null;
}

/** The watched program, and what it told so far. */
export interface Program {
  readonly process: LabProcess;
  readonly told: readonly Told[];
  do(command: { readonly do: string } & Record<string, unknown>): Promise<void>;
  /** Resolves with the first event of this name about the connection, past or future. */
  event(event: string, id: string): Promise<Told>;
  diagnosis(event: string, id: string): Promise<Diagnosis>;
  has(event: string, id?: string): boolean;
}

/** Starts the program on a host and opens connections, one after the other. */
export async function startProgram(
  network: Network,
  host: Host | "mid",
  connections: readonly Opened[],
  env: Readonly<Record<string, string>> = {},
): Promise<Program> {
  const words = [process.execPath, file("causes-program.mjs")];
  const subject = await network.spawn(host, words, { env });
  const told: Told[] = [];
  const waiting = new Set<() => void>();
  subject.onLine((line) => {
    told.push(JSON.parse(line) as Told);
    for (const wake of waiting) wake();
  });
  let isOver = false;
  subject.onExit(() => {
    isOver = true;
    for (const wake of waiting) wake();
  });
  const program: Program = {
    process: subject,
    told,
    do: (command) => subject.write(JSON.stringify(command)),
    event: (event, id) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const found = told.find((one) => one.event === event && one.id === id);
          if (!found && !isOver) return;
          waiting.delete(look);
          if (found) resolve(found);
          else reject(new Error(`the program ended: ${subject.errors.join("\n")}`));
        };
        waiting.add(look);
        look();
      }),
    diagnosis: async (event, id) => {
      const { diagnosis } = await program.event(event, id);
      if (!diagnosis) throw new Error(`${event} of ${id} came without a diagnosis`);
      return diagnosis;
    },
    has: (event, id) => told.some((one) => one.event === event && (!id || one.id === id)),
  };
  for (const it of connections) {
    await program.do({ do: "open", ...it });
    await program.event("connected", it.id);
  }
  return program;
}

/** Starts the peer on the right host. */
export async function startPeer(
  network: Network,
  ports: readonly number[],
  options: { talks?: boolean } = {},
): Promise<LabProcess> {
  const words = [...(options.talks ? ["talks"] : []), ...ports.map(String)];
  const peer = await network.spawn("right", [process.execPath, file("causes-peer.mjs"), ...words]);
  await said(peer, "ready");
  return peer;
}
