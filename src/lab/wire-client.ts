import { fileURLToPath } from "node:url";
import { DIST, type LabProcess } from "./lab-machine.ts";
import type { Namespaces } from "./namespaces.ts";
import type { WireCounts, WireSettings } from "./wire.ts";

/**
 * On a busy machine a wire would be later than it is set to. nice(1) runs a program all the same
 * where the user may not raise its priority.
 */
const PROMPT = ["nice", "-n", "-10"];

/** The wire of a network, which runs as a process between the two hosts. */
export class WireClient {
  readonly #process: LabProcess;
  /** Callers that wait for a line of the process, in the order of their requests. */
  readonly #waiting: ((line: string | Error) => void)[] = [];

  private constructor(process: LabProcess) {
    this.#process = process;
  }

  static async start(namespaces: Namespaces, settings: WireSettings): Promise<WireClient> {
    const program = fileURLToPath(new URL("wire-process.js", DIST));
    const argv = [...PROMPT, process.execPath, program, "left", "right", JSON.stringify(settings)];
    const started = await namespaces.spawn("mid", argv);

    const client = new WireClient(started);
    // Before the listening: a line that came already is delivered at once.
    const ready = client.#nextLine();
    client.#listen();
    await ready;

    return client;
  }

  /** Changes the settings. Resolves when they hold, with what the wire carried until then. */
  async set(settings: WireSettings): Promise<WireCounts> {
    const counts = this.#nextLine();
    await this.#process.write(JSON.stringify(settings));
    return JSON.parse(await counts) as WireCounts;
  }

  #listen(): void {
    this.#process.onLine((line) => this.#waiting.shift()?.(line));
    this.#process.onExit(() => {
      for (const settle of this.#waiting.splice(0))
        settle(new Error(`the wire broke: ${this.#process.errors.join(" ")}`));
    });
  }

  #nextLine(): Promise<string> {
    return new Promise((resolve, reject) => {
      this.#waiting.push((line) => (typeof line === "string" ? resolve(line) : reject(line)));
    });
  }
}
