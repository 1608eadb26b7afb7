import type { Command } from "./command.ts";

export interface CommandEntry {
  readonly summary: string;
  /** Loads the command on demand: `halfopen --help` must not pay for a native library. */
  load(): Promise<Command>;
}

/** Every subcommand, in the order of `halfopen --help`. Each has one line here and one file. */
export const COMMANDS: Readonly<Record<string, CommandEntry>> = {
  lab: {
    summary: "pulls the cable in a virtual network and measures which mechanism notices, and when",
    load: async () => (await import("./lab.ts")).lab,
  },
  plan: {
    summary: "chooses settings that find a dead peer in time on each OS, or says what forbids it",
    load: async () => (await import("./plan.ts")).plan,
  },
  predict: {
    summary: "says how long given settings take to notice a dead peer, and which timer decides",
    load: async () => (await import("./predict.ts")).predict,
  },
  audit: {
    summary:
      "lists this machine's connections: how soon each would notice a dead peer, and its state",
    load: async () => (await import("./audit.ts")).audit,
  },
  explain: {
    summary: "explains one connection: what will happen when its peer is gone, and what to change",
    load: async () => (await import("./explain.ts")).explain,
  },
  guard: {
    summary: "ends dead connections of running programs inside a budget; a dry run unless --apply",
    load: async () => (await import("./guard.ts")).guard,
  },
  exec: {
    summary: "runs any program so that it learns in time that a peer is gone; no root",
    load: async () => (await import("./exec.ts")).exec,
  },
  watch: {
    summary: "connects to HOST:PORT and shows the vital signs of the connection live",
    load: async () => (await import("./watch.ts")).watch,
  },
  system: {
    summary:
      "shows the system-wide keepalive values and who depends on them; system set changes them",
    load: async () => (await import("./system.ts")).system,
  },
};
