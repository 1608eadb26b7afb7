import { describe, expect, it } from "vitest";
import { labTable } from "../../src/cli/lab-table.ts";
import type { Fault } from "../../src/lab/fault.ts";
import { FAULTS } from "../../src/lab/faults.ts";
import { agrees, predictedFor } from "../../src/lab/predicted.ts";
import { everyCell } from "./report-of.ts";

function faultOf(id: string): Fault {
  const fault = FAULTS.find((one) => one.id === id);
  if (!fault) throw new Error(`no fault ${id}`);
  return fault;
}

describe("the lab's predictions", () => {
  const cable = faultOf("cable-pulled");

  it("agree with times within the range, widened by 5 % and 100 ms", () => {
    const range = { best: 2000, worst: 4000 };
    for (const [ms, isRight] of [
      [1799, false],
      [1800, true],
      [4300, true],
      [4301, false],
    ] as const)
      expect(agrees(range, ms, 12_000), `${ms} ms`).toBe(isRight);
    expect(agrees(range, null, 12_000)).toBe(false);
    expect(agrees({ best: 60_000, worst: 90_000 }, null, 12_000)).toBe(true);
    expect(agrees({ best: 60_000, worst: 90_000 }, 11_000, 12_000)).toBe(false);
  });

  it("agree with never only when nothing was detected", () => {
    expect(predictedFor(cable, "none", "idle", 5000)).toBe("never");
    expect(agrees("never", null, 12_000)).toBe(true);
    expect(agrees("never", 9000, 12_000)).toBe(false);
  });

  it("exist for watch too, but not for a peer that lives or tells of its end", () => {
    expect(predictedFor(cable, "watch", "in-flight", 5000)).toEqual({ best: 2000, worst: 5120 });
    for (const fault of FAULTS.filter(({ effect }) => effect === "lives" || effect === "tells"))
      for (const traffic of fault.traffics)
        expect(predictedFor(fault, "watch", traffic, 5000)).toBeNull();
  });

  it("say that only the heartbeat finds a peer that something else answers for", () => {
    const proxy = faultOf("local-proxy");
    expect(predictedFor(proxy, "heartbeat", "idle", 5000)).toEqual(
      predictedFor(cable, "heartbeat", "idle", 5000),
    );
    for (const mechanism of ["none", "keepalive", "keepalive+user-timeout", "watch"] as const)
      expect(predictedFor(proxy, mechanism, "idle", 5000), mechanism).toBe("never");
  });

  it("begin when a stopped program goes on", () => {
    const stopped = faultOf("cut-while-stopped");
    expect(predictedFor(stopped, "watch", "idle", 5000)).toEqual({ best: 7000, worst: 9620 });
    // The kernel had ended these before, and the program learns it then.
    for (const mechanism of ["keepalive", "keepalive+user-timeout"] as const)
      for (const traffic of ["idle", "in-flight"] as const)
        expect(predictedFor(stopped, mechanism, traffic, 5000), mechanism).toEqual({
          best: 7000,
          worst: 7000,
        });
    expect(predictedFor(stopped, "none", "idle", 5000)).toBe("never");

    // Keepalive stands still while data is in flight.
    const withData = faultOf("cut-then-stopped");
    const cable = predictedFor(faultOf("cable-pulled"), "keepalive", "in-flight", 5000);
    expect(predictedFor(withData, "keepalive", "in-flight", 5000)).toEqual(cable);
    expect(predictedFor(withData, "watch", "in-flight", 5000)).toMatchObject({ worst: 11_320 });
  });

  it("are in the table, below the measured times", () => {
    const table = labTable(everyCell());
    expect(table).toMatch(/^predicted +idle +\S/m);
    expect(table).toMatch(/^predicted +in-flight +\S/m);
  });
});
