import { describe, expect, it } from "vitest";
import { DeadPeerError } from "../../src/core/errors.ts";
import { ProcessProof } from "../../src/core/judge/process-proof.ts";
import { printable, printableData, printableJson } from "../../src/core/printable.ts";

/** Hostile texts, by what they do to a reader. */
const HOSTILE = {
  "clears the screen and names the window": "\u001b[2J\u001b]0;pwn\u0007",
  "forges a line": "x\nDEAD sshd 1",
  "goes back to the line's beginning": "x\rDEAD",
  "is an escape of one character (C1)": "\u009b2J\u0085",
  "wipes what stands before it": "abc\b\b\b\u007f",
  "turns the direction of writing": "\u202etxt.exe\u202c \u2066a\u2069 \u200f\u061c",
  "ends a line by Unicode's rules": "a\u2028b\u2029c",
  "is no character": "\ud800 \udc00",
  "cannot be seen": "a\u200bb\ufeff\u{e0041}",
  "holds a zero": "a\0b",
} as const;
const VISIBLE = "postgres: app [local] läuft 進程 🙂 \\x1b";

describe("text from others", () => {
  it.each(Object.entries(HOSTILE))(
    "that %s is shown instead of obeyed, in words and in JSON",
    (_, text) => {
      for (const shown of [printable(text), printableJson(JSON.stringify(text))])
        expect(shown).toMatch(/^[ -~]*$/);
      expect(JSON.parse(printableJson(JSON.stringify(text)))).toBe(text);
    },
  );

  it("is shown by the numbers of its characters", () => {
    expect(printable("\u001b[2J\n\u009b\u202e\ud800\u{e0041}")).toBe(
      "\\x1b[2J\\x0a\\x9b\\u{202e}\\u{d800}\\u{e0041}",
    );
    expect(printableJson(JSON.stringify("\u009b\u007f\u{e0041}"))).toBe(
      '"\\u009b\\u007f\\udb40\\udc41"',
    );
  });

  it("is unchanged if every character is printable", () => {
    expect(printable(VISIBLE)).toBe(VISIBLE);
    expect(printableJson(JSON.stringify(VISIBLE))).toBe(JSON.stringify(VISIBLE));
  });

  it("is made printable at any depth of data, and nothing else in the data changes", () => {
    const data = {
      name: "a\nb",
      list: ["\u009b", 1, null, { deep: "\t" }],
      none: null,
      no: undefined,
      yes: true,
    };
    expect(printableData(data)).toEqual({
      name: "a\\x0ab",
      list: ["\\x9b", 1, null, { deep: "\\x09" }],
      none: null,
      no: undefined,
      yes: true,
    });
  });

  it("keeps the indentation of JSON", () =>
    expect(printableJson(JSON.stringify({ a: "\u0085" }, null, 2))).toBe('{\n  "a": "\\u0085"\n}'));
});

describe("a peer's own words", () => {
  const text = Object.values(HOSTILE).join(" ");

  it("in the failure of a heartbeat are printable and short", () => {
    const proof = new ProcessProof(5000, 0);
    proof.asked(0);
    proof.failed(1, text + "x".repeat(1e6));
    expect(proof.lastFailure).toMatch(/^[ -~]+$/);
    expect(proof.lastFailure?.length).toBeLessThan(2000);
  });

  it("in a DeadPeerError are printable", () => {
    const evidence = {
      tcpInfo: null,
      errorCode: null,
      localPath: null,
      unansweredAttempts: 0,
      lossRatio: 0,
      others: null,
    };
    const since = { silentForMs: null, since: null, unknown: [], local: null, label: null };
    const { message, diagnosis } = new DeadPeerError({
      ...since,
      state: "dead",
      cause: "peer-hung",
      certainty: "high",
      overdue: false,
      why: [text],
      evidence,
      remote: `[fe80::1%${text}]:7`,
    });
    expect(message).toMatch(/^[ -~]+$/);
    expect(diagnosis.why).toEqual([text]); // data stays data
  });
});
