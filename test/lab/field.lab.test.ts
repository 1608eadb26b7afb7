import { beforeAll, expect, it } from "vitest";
import { FIELD_FAULTS } from "../../src/lab/field-faults.ts";
import type { Mechanism } from "../../src/lab/mechanisms.ts";
import type { LabCell, LabReport } from "../../src/lab/report.ts";
import { runLab } from "../../src/lab/run-lab.ts";
import type { Traffic } from "../../src/lab/subject-messages.ts";
import { describeWith } from "../setup/requires.ts";
import { problemsOf } from "./problems.ts";

const BUDGET_MS = 5000;
const MECHANISMS = ["none", "keepalive", "keepalive+user-timeout", "heartbeat", "watch"] as const;

await describeWith(["namespaces", "nft"], "the lab's faults from the field", () => {
  let report: LabReport;

  beforeAll(async () => {
    report = await runLab({
      faults: FIELD_FAULTS.map(({ id }) => id),
      mechanisms: MECHANISMS,
      detectWithinMs: BUDGET_MS,
      isQuick: true,
    });
  }, 120_000);

  const cells = (fault: string, mechanism: Mechanism, traffic: Traffic): readonly LabCell[] => {
    const found = report.cells.filter(
      (cell) => cell.fault === fault && cell.mechanism === mechanism && cell.traffic === traffic,
    );
    expect(found.length).toBeGreaterThan(0);
    return found;
  };
  const rttMs = (fault: string): number[] =>
    cells(fault, "watch", "in-flight").map(
      ({ diagnosis }) => diagnosis?.evidence.tcpInfo?.rttMs ?? 0,
    );

  it("find watch right about each of them, and every mechanism as predicted", () => {
    expect(report.skipped).toEqual([]);
    expect(problemsOf(report.cells)).toEqual([]);
    expect(report.cells.filter(({ isAsPredicted }) => isAsPredicted === false)).toEqual([]);
  });

  it("are what they say: keepalive ends a connection whose probes a firewall drops", () => {
    for (const cell of cells("probe-deaf", "keepalive", "idle"))
      expect(cell).toMatchObject({ falseAlarm: true, error: "ETIMEDOUT" });
    for (const { falseAlarm } of cells("probe-deaf", "none", "idle"))
      expect(falseAlarm).toBe(false);
  });

  it("are what they say: the round trip, which the kernel smooths, grows by a quarter of a budget", () => {
    for (const fault of ["bufferbloat", "delay-step"])
      for (const ms of rttMs(fault)) expect(ms, fault).toBeGreaterThan(BUDGET_MS / 4);
  });

  it("are what they say: a heartbeat finds the peer behind a proxy, and nothing else does", () => {
    for (const traffic of ["idle", "in-flight"] as const) {
      for (const { error } of cells("local-proxy", "heartbeat", traffic))
        expect(error).toBe("HEARTBEAT_TIMEOUT");
      for (const { detectedMs } of cells("local-proxy", "keepalive+user-timeout", traffic))
        expect(detectedMs).toBeNull();
    }
  });

  it("are what they say: large packets are swallowed until the kernel sends smaller ones", () => {
    for (const { error } of cells("mtu-black-hole", "keepalive+user-timeout", "in-flight"))
      expect(error).toBe("ETIMEDOUT");
    for (const { diagnosis } of cells("mtu-search", "watch", "in-flight"))
      expect(diagnosis?.evidence.tcpInfo?.sendMssBytes).toBeLessThan(1400);
  });
});
