import type { Command } from "./command.ts";

export interface CommandEntry {
  readonly summary: string;
  /** Loaded when asked for: `halfopen --help` must not pay for a native library. */
  load(): Promise<Command>;
}

/** Every subcommand, in the order of `halfopen --help`. One line and one file each. */
export const COMMANDS: Readonly<Record<string, CommandEntry>> = {
  lab: {
    summary: "pull the cable in a virtual network and measure who notices, when, and what they say",
    load: async () => (await import("./lab.ts")).lab,
  },
  plan: {
    summary: "settings for each OS that find a dead peer in time, or what forbids it",
    load: async () => (await import("./plan.ts")).plan,
  },
  predict: {
    summary: "what given settings will do: how long until a dead peer is noticed, by which timer",
    load: async () => (await import("./predict.ts")).predict,
  },
  audit: {
    summary:
      "every connection of this machine: how long it would take to notice a dead peer, and how it is now",
    load: async () => (await import("./audit.ts")).audit,
  },
  explain: {
    summary:
      "one connection in plain words: what will happen when its peer is gone, and what to change",
    load: async () => (await import("./explain.ts")).explain,
  },
  guard: {
    summary:
      "keeps running programs' connections inside a budget and ends the dead ones; a dry run unless --apply",
    load: async () => (await import("./guard.ts")).guard,
  },
  exec: {
    summary: "runs any program so that it learns in time that a peer is gone; no root",
    load: async () => (await import("./exec.ts")).exec,
  },
  watch: {
    summary: "connects to HOST:PORT and shows the vital signs live",
    load: async () => (await import("./watch.ts")).watch,
  },
  system: {
    summary:
      "the system-wide keepalive values: what they mean, who depends on them; system set changes them",
    load: async () => (await import("./system.ts")).system,
  },
};
