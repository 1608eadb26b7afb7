import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { AuditedConnection } from "../../src/audit/audited-connection.ts";
import type { GuardEvent } from "../../src/guard/event.ts";
import { DIST, type LabProcess } from "../../src/lab/lab-machine.ts";
import type { Network } from "../../src/lab/network.ts";
import type { World } from "../../src/lab/world.ts";

export const HALFOPEN: readonly string[] = [
  process.execPath,
  fileURLToPath(new URL("../cli/main.js", DIST)),
];
/** Ports of the right host. Its servers read everything and send nothing. */
export const PORTS = [7000, 7001, 7002, 7003, 5432] as const;
export const NOBODY = 65_534;

const SINKS = `
const net = require("net");
let open = 0;
for (const port of process.argv.slice(1))
  net.createServer((s) => s.on("error", () => {}).resume()).listen(Number(port), "::", () => ++open === process.argv.length - 1 && console.log("ready"));`;
const CLIENTS = {
  node: ["node", fileURLToPath(new URL("../guard/programs/client.mjs", import.meta.url))],
  python: [
    "/usr/bin/python3",
    fileURLToPath(new URL("../guard/programs/client.py", import.meta.url)),
  ],
} as const;
const WAIT_MS = 30_000;

/** A running program with its output and its exit code. */
export interface Running {
  readonly process: LabProcess;
  readonly lines: string[];
  readonly ended: Promise<number | null>;
  /** `undefined` while it runs. */
  readonly code: () => number | null | undefined;
}

/** Gathers what a program prints, and how it ends. */
export function runningOf(process: LabProcess): Running {
  const lines: string[] = [];
  let code: number | null | undefined;
  process.onLine((line) => lines.push(line));
  const ended = new Promise<number | null>((resolve) => {
    process.onExit((returned) => {
      code = returned;
      resolve(returned);
    });
  });
  return { process, lines, ended, code: () => code };
}

/** Two hosts on which halfopen's commands meet programs of others. */
export class Stage {
  readonly network: Network;

  private constructor(network: Network) {
    this.network = network;
  }

  static async open(world: World): Promise<Stage> {
    const stage = new Stage(await world.network());
    const sinks = await stage.start("right", [process.execPath, "-e", SINKS, ...PORTS.map(String)]);
    await until(() => sinks.lines.includes("ready"), "the sinks listen");
    return stage;
  }

  async start(host: "left" | "right", argv: readonly string[]): Promise<Running> {
    return runningOf(await this.network.spawn(host, argv));
  }

  /**
   * Starts a client on the left host and resolves when the client is connected. The client exits
   * with 7 when it has lost its connection.
   */
  async client(
    port: number,
    options: {
      kind?: keyof typeof CLIENTS;
      isWriting?: boolean;
      uid?: number;
      to?: string;
      prefix?: readonly string[];
    } = {},
  ): Promise<Running> {
    const {
      kind = "node",
      isWriting = false,
      uid = 0,
      to = this.network.address("right"),
      prefix = [],
    } = options;
    const what = isWriting ? "writing" : "idle";
    const client = await this.start("left", [
      ...asUser(uid),
      ...prefix,
      ...CLIENTS[kind],
      to,
      String(port),
      what,
    ]);
    const remote = `${to}:${port}`;
    await until(
      async () => (await this.sockets()).some((line) => line.includes(` ${remote} `)),
      `a client reaches ${remote}`,
    );
    return client;
  }

  /** Returns the left host's connections, as ss lists them. */
  async sockets(): Promise<string[]> {
    return (await this.network.run("left", ["ss", "-tnH", "state", "established"]))
      .split("\n")
      .map((line) => `${line.trim()} `);
  }

  async guard(
    options: readonly string[],
    prefix: readonly string[] = [],
  ): Promise<{ readonly running: Running; readonly events: () => GuardEvent[] }> {
    const running = await this.start("left", [
      ...prefix,
      ...HALFOPEN,
      "guard",
      ...options,
      "--json",
    ]);
    return { running, events: () => running.lines.map((line) => JSON.parse(line) as GuardEvent) };
  }

  /** Returns the kernel's settings for each connection of the left host, by remote end. */
  async settings(): Promise<
    Record<string, Pick<AuditedConnection, "keepalive" | "userTimeoutMs" | "settingsFrom">>
  > {
    // Exit code 1 means that a connection would never notice; the caller judges that.
    const text = await this.network.run("left", [
      "sh",
      "-c",
      '"$@"; test $? -le 1',
      "sh",
      ...HALFOPEN,
      "audit",
      "--json",
    ]);
    const { connections } = JSON.parse(text) as { connections: AuditedConnection[] };
    return Object.fromEntries(
      connections.map(({ remote, keepalive, userTimeoutMs, settingsFrom }) => [
        remote,
        { keepalive, userTimeoutMs, settingsFrom },
      ]),
    );
  }
}

/** Runs a program as an ordinary user without any capability; user 0 keeps all. */
export function asUser(uid: number): string[] {
  return uid === 0
    ? []
    : [
        "setpriv",
        `--reuid=${uid}`,
        `--regid=${uid}`,
        "--clear-groups",
        "--bounding-set=-all",
        "--inh-caps=-all",
        "--no-new-privs",
      ];
}

export async function until(isTrue: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const giveUpAt = performance.now() + WAIT_MS;
  while (!(await isTrue())) {
    if (performance.now() > giveUpAt) throw new Error(`waited ${WAIT_MS} ms in vain until ${what}`);
    await sleep(100);
  }
}
