import { readFileSync } from "node:fs";
import {
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
  type YAMLMap,
} from "yaml";
import { OutageBoundError } from "../core/errors.ts";
import { requireGuardOutage, SMALLEST_GUARD_BUDGET_MS } from "../guard/budget.ts";
import { type BrakeSettings, DEFAULT_BRAKE } from "../guard/mass-death-brake.ts";
import type { GuardRule } from "../guard/rule.ts";
import type { ConnectionFilter } from "../survey/connection-filter.ts";
import { UsageError } from "./command.ts";
import { connectionChoice } from "./connection-choice.ts";
import { parseDuration } from "./duration.ts";

/** The contents of a rules file. JSON is YAML, so one reader serves both. */
export interface GuardRules {
  readonly rules: readonly GuardRule[];
  readonly brake: BrakeSettings;
  readonly zeroWindowToleranceMs: number;
}

export const DEFAULT_TOLERANCE_MS = 60_000;
const MATCH_KEYS = [
  "pid",
  "process",
  "uid",
  "cgroup",
  "namespace",
  "port",
  "peer",
  "state",
] as const;

/** Reads a rules file. @throws UsageError with the file and the line */
export function readGuardRules(path: string): GuardRules {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw new UsageError(`the rules cannot be read: ${(error as Error).message}`);
  }
  return parseGuardRules(text, path);
}

/** Reads the text of a rules file. @throws UsageError for the first mistake, with its line */
export function parseGuardRules(text: string, path: string): GuardRules {
  return new RulesReader(text, path).read();
}

class RulesReader {
  readonly #lines: LineCounter = new LineCounter();
  readonly #path: string;
  readonly #text: string;

  constructor(text: string, path: string) {
    this.#text = text;
    this.#path = path;
  }

  read(): GuardRules {
    const document = parseDocument(this.#text, { lineCounter: this.#lines, prettyErrors: false });
    const [error] = document.errors;
    if (error) this.#fail(error.pos[0], error.message);
    const top = this.#map(document.contents, "the file", [
      "rules",
      "brake",
      "zero-window-tolerance",
    ]);
    const list = top.get("rules", true) as Node | undefined;
    if (!isSeq(list) || list.items.length === 0)
      this.#fail(offsetOf(list ?? top), "rules must be a list of at least one rule");
    const rules = list.items.map((item) => this.#rule(item as Node));
    rules.forEach(({ name }, index) => {
      const first = rules.findIndex((rule) => rule.name === name);
      if (first < index)
        this.#fail(
          offsetOf(list.items[index] as Node),
          `a second rule has the name ${JSON.stringify(name)}; names must differ`,
        );
    });
    return {
      rules,
      brake: this.#brake(top.get("brake", true) as Node | undefined),
      zeroWindowToleranceMs: this.#duration(
        top,
        "zero-window-tolerance",
        DEFAULT_TOLERANCE_MS,
        1000,
      ),
    };
  }

  #rule(node: Node): GuardRule {
    const map = this.#map(node, "a rule", [
      "name",
      "match",
      "detect-within",
      "survive-outage",
      "end-dead",
      "end-unproven",
      "listeners",
      "loopback",
    ]);
    const name = map.get("name");
    if (typeof name !== "string" || name === "") this.#fail(offsetOf(map), "a rule needs a name");
    if (!map.has("detect-within"))
      this.#fail(offsetOf(map), `rule ${name} needs detect-within, such as 10s`);
    const detectWithinMs = this.#duration(map, "detect-within", 0, SMALLEST_GUARD_BUDGET_MS);
    return {
      name,
      match: this.#match(map.get("match", true) as Node | undefined),
      detectWithinMs,
      ...this.#outage(map, detectWithinMs),
      endsDead: this.#boolean(map, "end-dead", true),
      endsUnproven: this.#boolean(map, "end-unproven", false),
      includesListeners: this.#boolean(map, "listeners", true),
      includesLoopback: this.#boolean(map, "loopback", false),
    };
  }

  #outage(map: YAMLMap, detectWithinMs: number): Pick<GuardRule, "surviveOutageMs"> {
    const node = map.get("survive-outage", true) as Node | undefined;
    if (node === undefined) return {};
    const surviveOutageMs = this.#duration(map, "survive-outage", 0, 0);
    this.#at(node, () => requireGuardOutage(detectWithinMs, surviveOutageMs));
    return { surviveOutageMs };
  }

  /** Reads the choice of connections, in the words of the command line's options. */
  #match(node: Node | undefined): ConnectionFilter {
    if (node === undefined) return connectionChoice({});
    const map = this.#map(node, "match", MATCH_KEYS);
    const given: Record<string, string[]> = {};
    for (const key of MATCH_KEYS) {
      const value = map.get(key, true) as Node | undefined;
      if (value === undefined) continue;
      const items = isSeq(value) ? (value.items as Node[]) : [value];
      // An empty list would match everything, which its author cannot mean.
      if (items.length === 0)
        this.#fail(offsetOf(value), `${key} is an empty list; leave it out to match all`);
      given[key] = items.map((item) => this.#word(item, key));
      this.#at(value, () => connectionChoice({ [key]: given[key] as string[] }));
    }
    return connectionChoice(given);
  }

  #word(item: Node, key: string): string {
    if (isScalar(item) && item.value !== null) return String(item.value);
    return this.#fail(offsetOf(item), `${key} is a value or a list of values`);
  }

  #brake(node: Node | undefined): BrakeSettings {
    if (node === undefined) return DEFAULT_BRAKE;
    const map = this.#map(node, "brake", ["peers", "share", "hold-at-most"]);
    return {
      peers: this.#number(map, "peers", DEFAULT_BRAKE.peers, 1, 1e6),
      share: this.#number(map, "share", DEFAULT_BRAKE.share, 0, 1),
      holdAtMostMs: this.#duration(map, "hold-at-most", DEFAULT_BRAKE.holdAtMostMs, 0),
    };
  }

  #map(node: unknown, what: string, keys: readonly string[]): YAMLMap {
    if (!isMap(node))
      return this.#fail(
        offsetOf(node as Node | null),
        `${what} is a mapping with ${keys.join(", ")}`,
      );
    for (const { key } of node.items as Pair<Node>[]) {
      const name = isScalar(key) ? String(key.value) : "?";
      if (!keys.includes(name))
        this.#fail(
          offsetOf(key),
          `${what} has no ${JSON.stringify(name)}; it takes ${keys.join(", ")}`,
        );
    }
    return node;
  }

  #duration(map: YAMLMap, key: string, otherwise: number, leastMs: number): number {
    const node = map.get(key, true) as Node | undefined;
    if (node === undefined) return otherwise;
    const ms = this.#at(node, () => parseDuration(isScalar(node) ? String(node.value) : "", key));
    return ms >= leastMs ? ms : this.#fail(offsetOf(node), `${key} is at least ${leastMs}ms`);
  }

  #number(map: YAMLMap, key: string, otherwise: number, least: number, most: number): number {
    const value = map.get(key);
    if (value === undefined) return otherwise;
    if (typeof value === "number" && value >= least && value <= most) return value;
    return this.#fail(
      offsetOf(map.get(key, true) as Node),
      `${key} is a number from ${least} to ${most}`,
    );
  }

  #boolean(map: YAMLMap, key: string, otherwise: boolean): boolean {
    const value = map.get(key);
    if (value === undefined) return otherwise;
    return typeof value === "boolean"
      ? value
      : this.#fail(offsetOf(map.get(key, true) as Node), `${key} is true or false`);
  }

  /** Runs `work`; a refusal gets the line of the node. */
  #at<T>(node: Node, work: () => T): T {
    try {
      return work();
    } catch (error) {
      if (error instanceof UsageError || error instanceof OutageBoundError)
        return this.#fail(offsetOf(node), error.message);
      throw error;
    }
  }

  #fail(offset: number, message: string): never {
    const { line, col } = this.#lines.linePos(offset);
    throw new UsageError(`${this.#path}:${Math.max(1, line)}:${Math.max(1, col)}: ${message}`);
  }
}

function offsetOf(node: Node | null | undefined): number {
  return node?.range?.[0] ?? 0;
}
