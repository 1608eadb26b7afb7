import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { lengthName, longOrShort } from "../setup/run-length.ts";
import { fuzz, SEED } from "./fuzz.ts";

const FINDS = fileURLToPath(new URL("finds.json", import.meta.url));
const WORLDS = longOrShort(1_000_000, 8000);

describe("worlds with several faults at once", () => {
  it(`break no promise (${lengthName})`, { timeout: 14_400_000 }, async () => {
    const run = await fuzz("--worlds", `${WORLDS}`, "--seed", `${SEED}`, "--workers", "2");
    console.log(
      `seeds ${run.seeds.join(" to ")}: ${run.worlds} worlds in ${run.seconds.toFixed(0)} s, ${run.suspicions} suspicions, ${run.gone} peers gone; ${run.killedAfterOutage} killed after an outage, ${run.expectedAfterOutage.toFixed(1)} expected`,
    );
    expect([...run.shrunk, ...run.findings]).toEqual([]);
    // The worlds are hard enough only if peers are suspected, and die.
    expect(run.suspicions).toBeGreaterThan(WORLDS / 4);
    expect(run.gone).toBeGreaterThan(WORLDS / 10);
  });

  it("that once broke a promise keep it", { timeout: 120_000 }, async () => {
    const { worlds, findings } = await fuzz("--file", FINDS);
    expect(findings).toEqual([]);
    expect(worlds).toBeGreaterThan(0);
  });
});
