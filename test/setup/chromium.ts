import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";

type Answer = Readonly<Record<string, unknown>>;

/** A headless Chromium, driven over a pipe (Chrome DevTools Protocol). It opens no port. */
export class Chromium {
  readonly events: { readonly method: string; readonly params: Answer }[] = [];
  readonly #process: ChildProcess;
  readonly #profile: string;
  readonly #waiting = new Map<number, (message: Answer) => void>();
  #session: string | undefined;
  #id = 0;
  #rest = "";

  static async open(): Promise<Chromium> {
    const profile = await mkdtemp(join(tmpdir(), "halfopen-chromium-"));
    const browser = new Chromium(profile);
    const { targetId } = await browser.ask("Target.createTarget", { url: "about:blank" });
    const { sessionId } = await browser.ask("Target.attachToTarget", { targetId, flatten: true });
    browser.#session = String(sessionId);
    for (const domain of ["Page", "Runtime", "Network", "Log"])
      await browser.ask(`${domain}.enable`);
    return browser;
  }

  private constructor(profile: string) {
    this.#profile = profile;
    const flags = [
      "--headless=new",
      "--no-sandbox",
      "--disable-gpu",
      "--no-first-run",
      "--remote-debugging-pipe",
      `--user-data-dir=${profile}`,
    ];
    this.#process = spawn("chromium", flags, {
      stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"],
    });
    (this.#process.stdio[4] as Readable)
      .setEncoding("utf8")
      .on("data", (text: string) => this.#read(text));
  }

  /** Sends one command and returns its result. @throws Error with the browser's message */
  async ask(method: string, params: Answer = {}): Promise<Answer> {
    const id = ++this.#id;
    const message = {
      id,
      method,
      params,
      ...(this.#session === undefined ? {} : { sessionId: this.#session }),
    };
    (this.#process.stdio[3] as Writable).write(`${JSON.stringify(message)}\0`);
    const answer = await new Promise<Answer>((resolve) => this.#waiting.set(id, resolve));
    if (answer.error) throw new Error(`${method}: ${JSON.stringify(answer.error)}`);
    return answer.result as Answer;
  }

  /** Loads a page into a window of this size. */
  async show(
    url: string,
    view: { readonly width: number; readonly height: number; readonly scheme: "light" | "dark" },
  ): Promise<void> {
    const { width, height, scheme } = view;
    await this.ask("Emulation.setDeviceMetricsOverride", {
      width,
      height,
      deviceScaleFactor: 1,
      mobile: width < 600,
    });
    await this.ask("Emulation.setEmulatedMedia", {
      features: [{ name: "prefers-color-scheme", value: scheme }],
    });
    const loaded = this.#once("Page.loadEventFired");
    await this.ask("Page.navigate", { url });
    await loaded;
  }

  async evaluate<Value>(expression: string): Promise<Value> {
    const { result, exceptionDetails } = await this.ask("Runtime.evaluate", {
      expression,
      returnByValue: true,
    });
    if (exceptionDetails) throw new Error(`the page threw: ${JSON.stringify(exceptionDetails)}`);
    return (result as { value: Value }).value;
  }

  async close(): Promise<void> {
    const ended = new Promise((resolve) => this.#process.once("exit", resolve));
    this.#process.kill("SIGKILL");
    await ended;
    await rm(this.#profile, { recursive: true, force: true, maxRetries: 5 });
  }

  #once(method: string): Promise<void> {
    const from = this.events.length;
    return new Promise((resolve) => {
      const look = (): void => {
        if (this.events.slice(from).some((event) => event.method === method)) resolve();
        else setImmediate(look);
      };
      look();
    });
  }

  #read(text: string): void {
    const messages = (this.#rest + text).split("\0");
    this.#rest = messages.pop() ?? "";
    for (const message of messages.map((it) => JSON.parse(it) as Answer)) {
      if (typeof message.id === "number") {
        this.#waiting.get(message.id)?.(message);
        this.#waiting.delete(message.id);
      } else this.events.push({ method: String(message.method), params: message.params as Answer });
    }
  }
}
