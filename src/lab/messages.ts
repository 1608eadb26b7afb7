/**
 * A request from outside a world to its agent: one JSON object a line. Arguments are lists, never
 * shell text.
 */
export type AgentRequest = { readonly id: number } & (
  | { readonly do: "exec"; readonly argv: readonly string[]; readonly input?: string }
  | {
      readonly do: "spawn";
      readonly argv: readonly string[];
      readonly env?: Readonly<Record<string, string>>;
    }
  | { readonly do: "write"; readonly pid: number; readonly line: string }
  | { readonly do: "signal"; readonly pid: number; readonly signal: NodeJS.Signals }
);

export interface AgentReply {
  readonly pid?: number;
  readonly code?: number;
  readonly output?: string;
  readonly error?: string;
}

export type AgentEvent =
  | { readonly event: "ready" }
  | { readonly event: "line" | "error-line"; readonly pid: number; readonly line: string }
  | {
      readonly event: "exit";
      readonly pid: number;
      readonly code: number | null;
      readonly signal: string | null;
    };
