import { expect, it } from "vitest";
import { describeWith } from "../setup/requires.ts";
import { lengthName, longOrShort } from "../setup/run-length.ts";
import { fuzz, SEED } from "./fuzz.ts";

const WORLDS = longOrShort(500, 12);
const AT_ONCE = 12;

await describeWith(["namespaces", "nft"], "real worlds with several faults at once", () => {
  it(`break no promise (${lengthName})`, { timeout: 7_200_000 }, async () => {
    const it = await fuzz("--real", `${WORLDS}`, "--at-once", `${AT_ONCE}`, "--seed", `${SEED}`);
    console.log(
      `seeds ${it.seeds.join(" to ")}: ${it.worlds} real worlds in ${it.seconds.toFixed(0)} s, ${it.suspicions} suspicions, ${it.gone} peers gone`,
    );
    expect(it.findings).toEqual([]);
    expect(it.worlds).toBe(WORLDS);
    expect(it.suspicions).toBeGreaterThan(0);
  });
});
