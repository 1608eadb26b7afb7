import { expect, it } from "vitest";
import { FAULTS } from "../../src/lab/faults.ts";
import { runLab } from "../../src/lab/run-lab.ts";
import { describeWith } from "../setup/requires.ts";
import { problemsOf } from "./problems.ts";

const SILENT_CUTS = FAULTS.filter(({ effect, needs, id }) => effect === "cuts" && !needs && id !== "dead-behind-closed-window").map(
  ({ id }) => id,
);

await describeWith(["namespaces"], "on a system that has less, watch", () => {
  it.concurrent("finds every silent cut within the budget without TCP_RTO_MAX_MS (Linux before 6.15)", { timeout: 60_000 }, async () => {
    const report = await runLab({ faults: SILENT_CUTS, mechanisms: ["watch"], isQuick: true, env: { HALFOPEN_MASK: "rto-max" } });
    expect(problemsOf(report.cells)).toEqual([]);
  });

  it.concurrent("finds a cable pulled, idle and in flight, from a TCP_INFO of 104 bytes, as the oldest kernels have", {
    timeout: 60_000,
  }, async () => {
    const faults = ["cable-pulled", "router-black-hole", "peer-crashed", "outage-2s", "peer-not-reading"];
    const report = await runLab({ faults, mechanisms: ["watch"], isQuick: true, env: { HALFOPEN_MASK: "tcp-info=104" } });
    expect(problemsOf(report.cells)).toEqual([]);
  });

  it.concurrent("finds a peer dead behind a closed window without TCP_RTO_MAX_MS in two to three times the time it was blocked, and says so", {
    timeout: 90_000,
  }, async () => {
    const report = await runLab({
      faults: ["dead-behind-closed-window"],
      mechanisms: ["watch"],
      isQuick: true,
      observeMs: 40_000,
      env: { HALFOPEN_MASK: "rto-max" },
    });
    for (const { detectedMs, diagnosis } of report.cells) {
      console.log(`closed window without the cap: found after ${detectedMs} ms`);
      // The fault strikes when the window has been closed for 6 to 8 s. The probe after that may be as long away, the second one twice.
      expect(detectedMs ?? Number.POSITIVE_INFINITY).toBeLessThan(3 * 1.125 * 8000);
      expect(diagnosis?.cause).toBe("path-silent");
      expect(diagnosis?.unknown.join()).toMatch(/TCP_RTO_MAX_MS/);
    }
  });

  it.concurrent("finds an idle cut by the kernel's keepalive alone where no native back-end can be had", { timeout: 60_000 }, async () => {
    const report = await runLab({
      faults: ["cable-pulled"],
      mechanisms: ["watch"],
      traffics: ["idle"],
      isQuick: true,
      detectWithinMs: 12_000,
      env: { HALFOPEN_MASK: "ffi" },
    });
    for (const cell of report.cells) {
      expect(cell.detectedMs, cell.problem ?? "").toBeLessThanOrEqual(12_000 * 1.125 + 250);
      expect(cell.error).toBe("ETIMEDOUT");
      expect(cell.diagnosis?.state).toBe("dead");
    }
  });
});
