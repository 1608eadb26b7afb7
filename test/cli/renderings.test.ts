import { describe, expect, it } from "vitest";
import type { AuditedConnection } from "../../src/audit/audited-connection.ts";
import { allAdvice } from "../../src/cli/advice.ts";
import { auditLine } from "../../src/cli/audit-table.ts";
import { explanation } from "../../src/cli/explanation.ts";
import { guardLine } from "../../src/cli/guard-line.ts";
import { jsonText, rendered } from "../../src/cli/output.ts";
import { systemReportText } from "../../src/cli/system-report.ts";
import { vitalLine } from "../../src/cli/vital-line.ts";
import type { Diagnosis } from "../../src/core/diagnosis.ts";
import type { GuardEvent } from "../../src/guard/event.ts";

const HOSTILE = "\u001b[2J\u001b[8m\u001b]0;pwn\u0007\r\nDEAD sshd 1\u009b2J\u202e\ud800";

const DIAGNOSIS: Diagnosis = {
  state: "dead",
  cause: "path-silent",
  certainty: "high",
  overdue: false,
  silentForMs: 5000,
  since: 0,
  why: ["a", "b"],
  unknown: ["c"],
  evidence: {
    tcpInfo: null,
    errorCode: "E",
    localPath: {
      hasRoute: true,
      interfaceName: "eth0",
      linkUp: false,
      hasSourceAddress: true,
      gateway: "10.0.0.1",
      neighbor: "STALE",
      wasInOrder: true,
    },
    unansweredAttempts: 3,
    lossRatio: 0,
    others: null,
  },
  local: "10.0.0.1:1",
  remote: "10.0.0.2:2",
  label: "label",
};
const CONNECTION: AuditedConnection = {
  local: "10.0.0.1:1",
  remote: "10.0.0.2:2",
  state: "ESTABLISHED",
  pid: 7,
  process: "app",
  cgroup: "/docker/3f2a",
  userId: 0,
  namespace: "blue",
  settingsFrom: "read",
  lastHeardMs: 5000,
  unacked: 1,
  noticeMs: { idle: null, inFlight: 5000 },
  diagnosis: DIAGNOSIS,
  fd: 3,
  keepalive: { enabled: true, idleMs: 1000, intervalMs: 1000, count: 15 },
  userTimeoutMs: 0,
  sendQueueBytes: 5,
};
const EVENT: GuardEvent = {
  time: "2026-01-01T00:00:00.000Z",
  action: "destroy",
  rule: "rule",
  connection: {
    local: "10.0.0.1:1",
    remote: "10.0.0.2:2",
    state: "ESTABLISHED",
    pid: 7,
    process: "app",
    cgroup: "/docker/3f2a",
    namespace: "blue",
  },
  before: null,
  after: null,
  diagnosis: DIAGNOSIS,
  reason: "reason",
};
const REPORT: Parameters<typeof systemReportText>[0] = {
  platform: "linux",
  settings: { idleMs: 1, intervalMs: 1, count: 1, dataRetries: 1 },
  names: { idleMs: "a", intervalMs: "b", count: "c", dataRetries: "d" },
  noticeMs: { idle: 1, inFlight: 1 },
  notes: ["note"],
  dependents: {
    connections: 1,
    onKeepalive: 1,
    withoutKeepalive: 0,
    onRetries: 0,
    unknown: 0,
    processes: [{ process: "app", connections: 1 }],
  },
};

/** Returns the same data with hostile text in place of every string. */
function hostile<Data>(data: Data): Data {
  if (typeof data === "string") return HOSTILE as Data;
  if (Array.isArray(data)) return data.map(hostile) as Data;
  if (typeof data !== "object" || data === null) return data;
  return Object.fromEntries(
    Object.entries(data).map(([name, value]) => [name, hostile(value)]),
  ) as Data;
}

/** Keeps the words that choose a rendering. */
const named = <Data extends { state?: unknown; action?: unknown }>(data: Data): Data => ({
  ...hostile(data),
  ...keptOf(data),
});
const keptOf = (data: object): object =>
  Object.fromEntries(
    Object.entries(data).filter(([name]) =>
      ["state", "action", "cause", "certainty"].includes(name),
    ),
  );

it("explain says what to do about a path that drops large packets, and nothing of it otherwise", () => {
  const diagnosis = { ...DIAGNOSIS, cause: "mtu-black-hole" } as const;
  expect(explanation({ ...CONNECTION, diagnosis }, [], 5000)).toMatch(/tcp_mtu_probing=1/);
  expect(explanation(CONNECTION, [], 5000)).not.toMatch(/tcp_mtu_probing/);
});

describe("text for people", () => {
  const advice = allAdvice(5000);
  const diagnosis = named(DIAGNOSIS);
  const connection = { ...named(CONNECTION), diagnosis };
  const event = { ...named(EVENT), connection: named(EVENT.connection), diagnosis };
  it.each([
    [
      "explain",
      (isHostile: boolean) =>
        rendered(isHostile ? connection : CONNECTION, (it) => explanation(it, advice, 5000)),
      ["DEAD sshd 1"],
    ],
    [
      "guard's log",
      (isHostile: boolean) =>
        rendered(isHostile ? event : EVENT, (it) => `${it.time} ${guardLine(it)}\n`),
      ["DEAD sshd 1"],
    ],
    [
      "watch",
      (isHostile: boolean) =>
        rendered(isHostile ? diagnosis : DIAGNOSIS, (it) => `${vitalLine("", "dead", 1, it)}\n`),
      ["DEAD sshd 1"],
    ],
    [
      "system",
      (isHostile: boolean) => rendered(isHostile ? hostile(REPORT) : REPORT, systemReportText),
      ["DEAD sshd 1"],
    ],
    // Only names that others chose are made printable here: the table has up to 100,000 lines.
    [
      "audit's table",
      (isHostile: boolean) =>
        auditLine(isHostile ? { ...CONNECTION, process: HOSTILE, namespace: HOSTILE } : CONNECTION),
      ["DEAD sshd 1"],
    ],
  ])("%s shows hostile names without obeying them", (_, text, shown) => {
    const [calm, wild] = [text(false), text(true)];
    expect(wild.replaceAll("\n", "")).toMatch(/^[ -~]+$/);
    expect(wild.split("\n").length).toBe(calm.split("\n").length);
    for (const words of shown) expect(wild).toContain(words);
  });

  it("in JSON keeps its value and holds no control character", () => {
    const json = jsonText(hostile(CONNECTION));
    expect(json).toMatch(/^[ -~]+$/);
    expect(JSON.parse(json)).toEqual(hostile(CONNECTION));
    for (const text of ["\u007f", "ä\u007f", "ä", "a"])
      expect(JSON.parse(jsonText(text))).toBe(text);
    expect(jsonText("\u007f")).toBe('"\\u007f"');
  });
});
