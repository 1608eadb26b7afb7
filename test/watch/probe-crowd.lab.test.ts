import { expect, it } from "vitest";
import { World } from "../../src/lab/world.ts";
import { describeWith } from "../setup/requires.ts";

const PROGRAM = new URL("probe-crowd.mjs", import.meta.url).pathname;
const CONNECTIONS = 4000;

await describeWith(
  ["namespaces", "11000 descriptors"],
  "a crowd of connections opened at once",
  () => {
    it("is soon probed evenly, even if the kernel probes every second", {
      timeout: 60_000,
    }, async () => {
      await using world = await World.open();
      await world.exec(["ip", "link", "set", "lo", "up"]);
      const { openedInMs, busiest, deaths } = JSON.parse(
        await world.exec([process.execPath, PROGRAM, `${CONNECTIONS}`]),
      );
      console.log(
        `opened in ${openedInMs} ms; the busiest fifth of a second gets ${busiest.toFixed(2)} times its share of the probes`,
      );
      expect(deaths).toBe(0);
      // Without spreading, the busiest fifth would get all probes of a fifth of a second of
      // openings, every second.
      expect(busiest).toBeLessThan(1.8);
    });
  },
);
