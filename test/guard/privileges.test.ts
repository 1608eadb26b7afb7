import { describe, expect, it } from "vitest";
import { HalfOpenError } from "../../src/core/errors.ts";
import { requireAllNamespaces } from "../../src/guard/privileges.ts";
import { privilegesMissingIn } from "../../src/kernel/process/privileges.ts";

const status = (effective: string): string =>
  `Name:\tnode\nCapPrm:\t000001ffffffffff\nCapEff:\t${effective}\nCapBnd:\t000001ffffffffff\n`;
const bits = (...numbers: number[]): string =>
  status(
    numbers
      .reduce((mask, bit) => mask | (1n << BigInt(bit)), 0n)
      .toString(16)
      .padStart(16, "0"),
  );
const ALL = ["CAP_SYS_ADMIN", "CAP_SYS_PTRACE", "CAP_DAC_READ_SEARCH", "CAP_NET_ADMIN"] as const;

function refusalOf(work: () => void): string {
  try {
    work();
  } catch (error) {
    if (error instanceof HalfOpenError) return `${error.code}: ${error.message}`;
    throw error;
  }
  return "taken";
}

describe("privileges", () => {
  it.each([
    ["root", status("000001ffffffffff"), []],
    ["a user", status("0000000000000000"), [...ALL]],
    ["root without network rights", bits(21, 19, 2), ["CAP_NET_ADMIN"]],
    ["one that overrides all permissions on files", bits(21, 19, 1, 12), []],
    ["a status without the line", "Name:\tnode\n", [...ALL]],
  ])("are read from the status of %s", (_who, text, missing) => {
    expect(privilegesMissingIn(text, ALL)).toEqual(missing);
  });

  it("a guard of all namespaces names each that is missing, and what it is for", () => {
    const refusal = refusalOf(() =>
      requireAllNamespaces(["CAP_SYS_PTRACE", "CAP_SYS_ADMIN"], "6.18.0"),
    );
    expect(refusal).toMatch(/^ERR_PERMISSION: .*missing here: CAP_SYS_PTRACE \(to find them/);
    expect(refusal).toContain("CAP_SYS_ADMIN (to enter");
  });

  it.each([
    ["4.19.0-25-amd64", "ERR_NOT_SUPPORTED: "],
    ["5.3.18-lp152", "ERR_NOT_SUPPORTED: "],
    ["5.4.0", "taken"],
    ["5.10.0-8", "taken"],
    ["6.1", "taken"],
  ])("a guard of all namespaces on Linux %s: %s", (kernel, outcome) => {
    expect(refusalOf(() => requireAllNamespaces([], kernel)).startsWith(outcome)).toBe(true);
  });
});
