import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { FAULTS } from "../../src/lab/faults.ts";
import type { LabCell } from "../../src/lab/report.ts";
import { monotonicMs } from "../../src/lab/run-fault.ts";
import { runLab } from "../../src/lab/run-lab.ts";
import { World } from "../../src/lab/world.ts";
import { describeWith } from "../setup/requires.ts";
import { problemsOf } from "./problems.ts";
import { startWatchedProgram } from "./watched-program.ts";

/** Faults that leave `watch` its usual time. */
const SILENT_CUTS = FAULTS.filter(
  ({ effect, needs, foundWithinMs, id }) =>
    effect === "cuts" && !needs && !foundWithinMs && id !== "dead-behind-closed-window",
).map(({ id }) => id);

await describeWith(["namespaces"], "on an older system or without a native back-end, watch", () => {
  it.concurrent("finds every silent cut without TCP_RTO_MAX_MS (Linux before 6.15): idle within the budget, in flight by the sixth transmission, on a long path the seventh", {
    timeout: 60_000,
  }, async () => {
    const report = await runLab({
      faults: SILENT_CUTS,
      mechanisms: ["watch"],
      isQuick: true,
      observeMs: 17_000,
      env: { HALFOPEN_MASK: "rto-max" },
    });
    // Without a cap the sixth transmission leaves 3.4 s after the first, or 6.7 s if the tail loss
    // probe was not seen. A machine that is busy answers late, so that its path seems to be a long
    // one, which takes a seventh (loss-belief.ts): it leaves after 13.4 s.
    const isInTime = ({ traffic, detectedMs, diagnosis }: LabCell): boolean => {
      const isLongPath = diagnosis?.evidence.unansweredAttempts === 7;
      const withinMs = isLongPath ? 16_000 : 9000;
      return traffic === "in-flight" && (detectedMs ?? Number.POSITIVE_INFINITY) < withinMs;
    };
    expect(problemsOf(report.cells.filter((cell) => !isInTime(cell)))).toEqual([]);
  });

  it.concurrent("finds a pulled cable, idle and in flight, with a TCP_INFO of 104 bytes, as on the oldest kernels", {
    timeout: 60_000,
  }, async () => {
    const faults = [
      "cable-pulled",
      "router-black-hole",
      "peer-crashed",
      "outage-2s",
      "peer-not-reading",
    ];
    const report = await runLab({
      faults,
      mechanisms: ["watch"],
      isQuick: true,
      env: { HALFOPEN_MASK: "tcp-info=104" },
    });
    expect(problemsOf(report.cells)).toEqual([]);
  });

  it.concurrent("finds a dead peer behind a closed window without TCP_RTO_MAX_MS by the fourth probe of a doubling backoff, and reports the missing cap", {
    timeout: 180_000,
  }, async () => {
    const report = await runLab({
      faults: ["dead-behind-closed-window"],
      mechanisms: ["watch"],
      isQuick: true,
      observeMs: 140_000,
      env: { HALFOPEN_MASK: "rto-max" },
    });
    for (const { detectedMs, diagnosis } of report.cells) {
      console.log(`closed window without the cap: found after ${detectedMs} ms`);
      // The window has been closed for up to 8 s when the fault strikes. The next probe leaves
      // after at most that time and an eighth; three more probes double the wait.
      expect(detectedMs ?? Number.POSITIVE_INFINITY).toBeLessThan((1 + 2 + 4 + 8) * 1.125 * 8000);
      expect(diagnosis?.cause).toBe("path-silent");
      expect(diagnosis?.unknown.join()).toMatch(/TCP_RTO_MAX_MS/);
    }
  });

  it.concurrent("keeps what it promises on a kernel whose TCP_INFO is mostly zeros, as gVisor's: an idle cut is found by keepalive, one in flight is never called healthy, a live peer is left alone", {
    timeout: 90_000,
  }, async () => {
    await using world = await World.open();
    const network = await world.network();
    const budgetMs = 5000;
    const subject = await startWatchedProgram(
      network,
      [
        { id: "idle", traffic: "idle", budgetMs },
        { id: "in flight", traffic: "in-flight", budgetMs },
      ],
      { HALFOPEN_MASK: "tcp-info-zeros,rto-max" },
    );
    await sleep(3 * budgetMs);
    expect(subject.events.map(({ event }) => event)).toEqual(["connected", "connected"]);

    const cutAt = monotonicMs();
    await network.pullCable();
    const { at, diagnosis } = await subject.event("dead", "idle");
    expect(diagnosis).toMatchObject({ cause: "path-silent", evidence: { errorCode: "ETIMEDOUT" } });
    expect(at - cutAt).toBeLessThan(1.125 * budgetMs);
    await sleep(4 * budgetMs);
    await subject.send({ do: "diagnose" });
    const inFlight = (await subject.event("now", "in flight")).diagnosis;
    expect(inFlight).toMatchObject({ cause: "quiet", certainty: "medium" });
  });

  it.concurrent("finds an idle cut by the kernel's keepalive alone when there is no native back-end", {
    timeout: 60_000,
  }, async () => {
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
