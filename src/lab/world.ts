import { type ChildProcess, spawn } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { DIST, type LabMachine, type LabProcess } from "./lab-machine.ts";
import type { AgentEvent, AgentReply, AgentRequest } from "./messages.ts";
import { Network, type NetworkOptions } from "./network.ts";

/**
 * A machine of its own: pid, network and mount namespaces, and a user namespace when this process
 * is not root. Networks are built and programs run inside. Everything inside ends with {@link
 * World.close}, and also when this process is killed.
 */
export class World implements AsyncDisposable, LabMachine {
  readonly #agent: ChildProcess;
  readonly #events: EventEmitter = new EventEmitter();
  /** Arguments of events that came before their first listener. */
  readonly #unheard: Map<string, unknown[][]> = new Map();
  readonly #waiting: Map<number, (reply: AgentReply) => void> = new Map();
  #lastId = 0;
  #networks = 0;
  #isClosed = false;

  private constructor(agent: ChildProcess) {
    this.#agent = agent;
    this.#events.setMaxListeners(0);
  }

  /** Opens a world. @throws NoWorldError when the system does not allow namespaces */
  static async open(): Promise<World> {
    const asUser = process.getuid?.() === 0 ? [] : ["--user", "--map-root-user"];
    // --kill-child: when unshare dies, process 1 inside gets SIGKILL, and everything dies with it.
    const namespaces = ["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"];
    const script = fileURLToPath(new URL("agent.js", DIST));
    const agent = spawn("unshare", [...asUser, ...namespaces, process.execPath, script], {
      stdio: ["pipe", "pipe", "pipe"],
    });

    const world = new World(agent);
    const complaints: string[] = [];
    agent.stderr?.on("data", (chunk) => complaints.push(String(chunk)));
    agent.stdin?.on("error", () => {});
    agent.on("exit", () => world.#onEnd());
    if (agent.stdout)
      createInterface({ input: agent.stdout }).on("line", (line) => world.#onMessage(line));

    const failed = Promise.race([once(agent, "error"), once(agent, "close")]);
    const ready = once(world.#events, "ready").then(() => true);
    if (
      await Promise.race([
        ready,
        failed.then(
          () => false,
          () => false,
        ),
      ])
    )
      return world;

    throw new NoWorldError(
      `no namespaces here: ${complaints.join("").trim() || "unshare (util-linux) is missing"}. ${HOW_TO_ALLOW}`,
    );
  }

  async network(options: NetworkOptions = {}): Promise<Network> {
    return Network.build(this, this.#networks++, options);
  }

  /** Runs a command to its end and returns its output. @throws Error when the command fails */
  async exec(argv: readonly string[], input?: string): Promise<string> {
    const { code, output = "" } = await this.#ask({
      do: "exec",
      argv,
      ...(input === undefined ? {} : { input }),
    });
    if (code !== 0) throw new Error(`${argv.join(" ")} failed (${code}): ${output.trim()}`);
    return output;
  }

  async spawn(
    argv: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ): Promise<LabProcess> {
    const { pid = -1 } = await this.#ask({ do: "spawn", argv, env });

    const errors: string[] = [];
    this.#hear(`error-line ${pid}`, (line) => errors.push(line));
    return {
      pid,
      errors,
      onLine: (listener) => this.#hear(`line ${pid}`, listener),
      onExit: (listener) => this.#hear(`exit ${pid}`, listener),
      write: async (line) => void (await this.#ask({ do: "write", pid, line })),
      signal: async (signal) => void (await this.#ask({ do: "signal", pid, signal })),
    };
  }

  /** Ends every process and network of this world. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#agent.stdin?.end();
    if (this.#agent.exitCode === null && this.#agent.signalCode === null)
      await once(this.#agent, "exit");
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Fails every request that still waits, because no reply can come any more. */
  #onEnd(): void {
    this.#isClosed = true;
    for (const reply of this.#waiting.values()) reply({ error: "the lab's world ended" });
    this.#waiting.clear();
  }

  #ask(request: WithoutId<AgentRequest>): Promise<AgentReply> {
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      if (this.#isClosed) return reject(new Error("the world is closed"));
      this.#waiting.set(id, (reply) =>
        reply.error === undefined ? resolve(reply) : reject(new Error(reply.error)),
      );
      this.#agent.stdin?.write(`${JSON.stringify({ id, ...request })}\n`);
    });
  }

  #onMessage(text: string): void {
    const message = JSON.parse(text) as (AgentReply & { id: number }) | AgentEvent;
    if (!("event" in message)) {
      this.#waiting.get(message.id)?.(message);
      this.#waiting.delete(message.id);
    } else if (message.event === "ready") this.#events.emit("ready");
    else if (message.event === "exit")
      this.#say(`exit ${message.pid}`, message.code, message.signal);
    else this.#say(`${message.event} ${message.pid}`, message.line);
  }

  /** Emits an event, or keeps it for its first listener: a program may end before one is there. */
  #say(event: string, ...told: unknown[]): void {
    if (this.#events.emit(event, ...told)) return;
    this.#unheard.set(event, [...(this.#unheard.get(event) ?? []), told]);
  }

  // biome-ignore lint/suspicious/noExplicitAny: as EventEmitter has it
  #hear(event: string, listener: (...told: any[]) => void): void {
    this.#events.on(event, listener);
    for (const told of this.#unheard.get(event) ?? []) listener(...told);
    this.#unheard.delete(event);
  }
}

/** No world can be made here. The message says why, and what would allow one. */
export class NoWorldError extends Error {}

const HOW_TO_ALLOW =
  "Root needs CAP_SYS_ADMIN; other users need user namespaces allowed (sysctl kernel.unprivileged_userns_clone=1, kernel.apparmor_restrict_unprivileged_userns=0)";

type WithoutId<Request> = Request extends unknown ? Omit<Request, "id"> : never;
