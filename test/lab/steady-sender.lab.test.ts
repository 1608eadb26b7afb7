import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { World } from "../../src/lab/world.ts";
import { graceMs } from "../setup/grace.ts";
import { describeWith } from "../setup/requires.ts";
import { startWatchedProgram } from "./watched-program.ts";

const BUDGET_MS = 5000;
const SENDS_FOR_MS = 15_000;

await describeWith(["namespaces"], "a peer whose data leaves no moment to probe it", () => {
  it("is found dead within the budget although it was never seen to answer a probe, and the diagnosis says so", {
    timeout: 60_000,
  }, async () => {
    await using world = await World.open();
    const network = await world.network();
    const connection = {
      id: "ingest",
      role: "talker",
      traffic: "idle",
      budgetMs: BUDGET_MS,
    } as const;
    const subject = await startWatchedProgram(network, [connection]);
    await sleep(SENDS_FOR_MS);

    const cutAt = performance.now();
    await network.pullCable();
    const { diagnosis } = await subject.event("dead", connection.id);

    expect(performance.now() - cutAt).toBeLessThanOrEqual(BUDGET_MS + graceMs());
    expect(diagnosis).toMatchObject({ cause: "path-silent", certainty: "medium" });
    expect(diagnosis.unknown.join("; ")).toMatch(/never answered/);
  });
});
