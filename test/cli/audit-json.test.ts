import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Audit } from "../../src/audit/audit.ts";
import type { ConnectionView } from "../../src/audit/connection-view.ts";
import { OwnerTable } from "../../src/audit/owners/owner-table.ts";
import { ordinaryDiagnosis } from "../../src/audit/verdict-now.ts";
import { AUDIT_FIELDS, AuditJson, auditFields } from "../../src/cli/audit-json.ts";
import { OrdinaryJson } from "../../src/cli/ordinary-json.ts";
import { jsonText } from "../../src/cli/output.ts";
import type { TcpInfo, TcpState } from "../../src/core/tcp-info.ts";
import { readSystemDefaults } from "../../src/kernel/system/system-defaults.ts";
import { MATCH_ALL } from "../../src/survey/connection-filter.ts";
import { type ListedSocket, tableOf } from "../survey/survey-bytes.ts";

const ages = fc.oneof(fc.integer({ min: 0, max: 3000 }), fc.integer({ min: 0, max: 4e9 }));
const infos = fc.record<TcpInfo>({
  state: fc.constantFrom<TcpState>("ESTABLISHED", "ESTABLISHED", "CLOSE_WAIT", "SYN_SENT"),
  lastDataReceivedMs: ages,
  lastAckReceivedMs: ages,
  unackedSegments: fc.constantFrom(0, 0, 0, 2),
  retransmits: fc.constantFrom(0, 0, 0, 3, 14),
  backoff: fc.constantFrom(0, 3, 14),
  rtoMs: fc.constantFrom(204, 1000, 120_000),
  probes: fc.constantFrom(0, 0, 1),
  notSentBytes: fc.constantFrom(0, 0, 700),
  rttMs: fc.integer({ min: 0, max: 300 }),
});
const sockets = fc.array(
  fc.record({
    info: fc.oneof({ weight: 9, arbitrary: infos }, { weight: 1, arbitrary: fc.constant(null) }),
    localPort: fc.integer({ min: 1, max: 65_535 }),
    timer: fc.constantFrom(0, 1, 2),
    isOwned: fc.boolean(),
    isKept: fc.boolean(),
    namespaceIndex: fc.constantFrom(0, 1, 2),
  }),
  { minLength: 1, maxLength: 40 },
);
type Listed = (typeof sockets extends fc.Arbitrary<infer T> ? T : never)[number];

/** An audit of these sockets; those that are owned are said to be this process's. */
function auditOf(listed: readonly Listed[]): Audit {
  const table = tableOf(
    listed.map(
      ({ info, localPort, timer, namespaceIndex }, i): ListedSocket => ({
        cookie: i + 1,
        ...(info ? { state: info.state } : {}),
        localPort,
        timer,
        info,
        namespaceIndex,
      }),
    ),
  );
  const owners = new OwnerTable(listed.length);
  for (const [i, { isOwned, isKept }] of listed.entries())
    if (isOwned)
      owners.set(i, process.pid, i + 3, {
        keepalive: { enabled: isKept, idleMs: 60_000, intervalMs: 10_000, count: 6 },
        userTimeoutMs: isKept ? 30_000 : 0,
        rtoMaxMs: isKept ? 1000 : 120_000,
      });
  const places = [null, "blue", 'odd "name"\u202e'].map((name, i) => ({
    inode: 4_026_531_840 + i,
    path: "",
    name,
    isOwn: i === 0,
  }));
  const defaults = readSystemDefaults();
  const surroundings = {
    owners,
    namespaces: new Map(places.entries()),
    defaults: new Map(places.map((_, i) => [i, defaults])),
  };
  return new Audit(table, surroundings, [], {
    filter: MATCH_ALL,
    allNamespaces: true,
    detectWithinMs: 10_000,
  });
}

describe.runIf(process.platform === "linux")("the JSON of an audit", () => {
  it("is that of its data, field by field, in their order", () => {
    fc.assert(
      fc.property(sockets, (listed) => {
        const audit = auditOf(listed);
        const json = new AuditJson();
        for (const view of audit.views()) expect(json.textOf(view)).toBe(jsonText(view.toJSON()));
      }),
      { numRuns: 150 },
    );
  });

  it("has the fields of the contract, and with --fields those that were asked for, in that order", () => {
    const [view] = auditOf([
      { info: null, localPort: 1, timer: 0, isOwned: true, isKept: true, namespaceIndex: 0 },
    ]).views();
    expect(Object.keys(JSON.parse(new AuditJson().textOf(view as ConnectionView)))).toEqual([
      ...["local", "remote", "state", "pid", "process", "cgroup", "userId", "namespace"],
      ...["settingsFrom", "lastHeardMs", "unacked", "noticeMs", "diagnosis", "fd", "keepalive"],
      ...["userTimeoutMs", "sendQueueBytes"],
    ]);
    const chosen = auditFields("keepalive, local,pid,local");
    expect(new AuditJson(chosen).textOf(view as ConnectionView)).toBe(
      `{"keepalive":{"enabled":true,"idleMs":60000,"intervalMs":10000,"count":6},"local":"10.0.0.1:1","pid":${process.pid}}`,
    );
    expect(auditFields(undefined)).toEqual(AUDIT_FIELDS);
  });

  it.each([
    ["procces", '"process"'],
    ["diag", '"diagnosis"'],
    ["lastheardms", '"lastHeardMs"'],
    ["constructor", "Known are local"],
    ["", "Known are local"],
  ])("refuses the field %j and names the nearest", (word, named) => {
    expect(() => auditFields(`local,${word}`)).toThrow(`unknown field ${JSON.stringify(word)}`);
    expect(() => auditFields(`local,${word}`)).toThrow(named);
  });

  it.each(["1234567890123456", "<the local end of the form>", '"\\', "\u001b[2J", "node"])(
    "is right for a program that is called %j",
    (name) => {
      const frame = {
        rtoMaxMs: null,
        keepalive: { enabled: true, idleMs: 1000, intervalMs: 1000 },
        process: name,
        unknown: null,
        wallClock: 1_800_000_000_123,
      };
      const json = new OrdinaryJson();
      for (const lastHeardMs of [0, 999, 1000, 7_199_999]) {
        const row = { local: "10.0.0.1:7", remote: "[fd00::2]:8", heardAgeMs: lastHeardMs };
        const view = { ...row, lastHeardMs, ordinaryFrame: frame } as unknown as ConnectionView;
        const text = json.textOf(view);
        // `null`: this name cannot be told from what is filled in, so no form is used.
        if (text !== null) expect(text).toBe(jsonText(ordinaryDiagnosis(row, frame)));
        expect(text === null).toBe(/^1234|^<the/.test(name));
      }
    },
  );
});
