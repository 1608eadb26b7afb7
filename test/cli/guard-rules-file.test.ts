import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parseGuardRules } from "../../src/cli/guard-rules-file.ts";

const contrib = (name: string): string =>
  readFileSync(new URL(`../../contrib/${name}`, import.meta.url), "utf8");
const refusal = (text: string): string => {
  try {
    parseGuardRules(text, "rules.yaml");
  } catch (error) {
    return (error as Error).message;
  }
  return "taken";
};

describe("the guard's rules file", () => {
  it("is the same in YAML and in JSON", () => {
    const yaml = parseGuardRules(
      "rules:\n  - name: db\n    match: { port: [5432, 6379], peer: 10.0.0.0/8 }\n    detect-within: 5s\n",
      "a",
    );
    const json = parseGuardRules(
      '{"rules":[{"name":"db","match":{"port":[5432,6379],"peer":"10.0.0.0/8"},"detect-within":"5s"}]}',
      "b",
    );
    expect(json).toEqual(yaml);
    expect(yaml.rules[0]).toMatchObject({
      name: "db",
      detectWithinMs: 5000,
      endsDead: true,
      match: { ports: [5432, 6379] },
    });
  });

  it("takes the longest outage to survive, and leaves it out where none is given", () => {
    const { rules } = parseGuardRules(
      "rules:\n  - { name: a, detect-within: 10s, survive-outage: 4.4s }\n  - { name: b, detect-within: 5s }\n",
      "a",
    );
    expect(rules.map(({ surviveOutageMs }) => surviveOutageMs)).toEqual([4400, undefined]);
  });

  it("takes users by number", () => {
    const { rules } = parseGuardRules(
      "rules:\n  - { name: a, detect-within: 5s, match: { uid: [0, 1000] } }\n",
      "a",
    );
    expect(rules[0]?.match.userIds).toEqual([0, 1000]);
    expect(refusal("rules:\n  - { name: a, detect-within: 5s, match: { uid: root } }\n")).toContain(
      "rules.yaml:2:49: --uid takes a whole number",
    );
  });

  it("has an example that is accepted, and takes the keys of the schema and no others", () => {
    const { rules, brake } = parseGuardRules(contrib("guard.yaml"), "guard.yaml");
    expect(
      rules.map(({ name, detectWithinMs, endsDead }) => [name, detectWithinMs, endsDead]),
    ).toEqual([
      ["database", 5000, true],
      ["others", 30_000, false],
    ]);
    expect(brake.holdAtMostMs).toBe(300_000);
    const { properties } = JSON.parse(contrib("guard-rules.schema.json")).$defs.rule;
    const [, allowed] = /takes (.*)$/.exec(refusal("rules:\n  - name: a\n    nonsense: 1\n")) ?? [];
    expect(allowed?.split(", ").sort()).toEqual(Object.keys(properties).sort());
    const matching = refusal(
      "rules:\n  - { name: a, detect-within: 5s, match: { nonsense: 1 } }\n",
    );
    expect(/takes (.*)$/.exec(matching)?.[1]?.split(", ").sort()).toEqual(
      Object.keys(properties.match.properties).sort(),
    );
  });

  it.each([
    ["", "rules.yaml:1:1:"],
    ["rules: []", "rules.yaml:1:8:"],
    [
      "rules:\n  - name: a\n    detect-within: 5s\n    match: { prot: 1 }\n",
      'rules.yaml:4:14: match has no "prot"',
    ],
    [
      "rules:\n  - name: a\n    detect-within: 5\n",
      "rules.yaml:3:20: detect-within takes a duration",
    ],
    [
      "rules:\n  - name: a\n    detect-within: 1s\n",
      "rules.yaml:3:20: detect-within is at least 5000ms",
    ],
    ["rules:\n  - name: a\n", "rules.yaml:2:5: rule a needs detect-within"],
    [
      "rules:\n  - name: a\n    detect-within: 5s\n    survive-outage: 4s\n",
      "rules.yaml:4:21: within 5000 ms an outage of 4000 ms cannot be told from death",
    ],
    [
      "rules:\n  - name: a\n    detect-within: 5s\n    match: { port: [] }\n",
      "rules.yaml:4:20: port is an empty list",
    ],
    [
      "rules:\n  - name: a\n    detect-within: 5s\n    match: { port: 99999 }\n",
      "rules.yaml:4:20: --port takes",
    ],
    [
      "rules:\n  - name: a\n    detect-within: 5s\n    end-dead: maybe\n",
      "rules.yaml:4:15: end-dead is true or false",
    ],
    [
      "rules:\n  - { name: a, detect-within: 5s }\n  - { name: a, detect-within: 5s }\n",
      "rules.yaml:3:5: a second rule",
    ],
    ["rules: [}\n", "rules.yaml:1:9:"],
  ])("refuses %j and names the line", (text, message) => {
    expect(refusal(text)).toContain(message);
  });
});
