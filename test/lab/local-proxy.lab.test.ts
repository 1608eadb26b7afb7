import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { said } from "../../src/lab/run-fault.ts";
import { World } from "../../src/lab/world.ts";
import { describeWith } from "../setup/requires.ts";
import { startPeer, startProgram } from "./causes-scene.ts";

const PORT = 7000;
const RELAY_PORT = 15001;
const relay = (host: string): string =>
  `require("net").createServer((s) => s.on("error", () => {}).on("data", (d) => s.write(d))).listen(${RELAY_PORT}, ${JSON.stringify(host)}, () => console.log("ready"))`;

await describeWith(
  ["namespaces", "root", "nft"],
  "a proxy on this host that takes the connection",
  () => {
    it.concurrent.each([
      { family: 4, listens: "0.0.0.0", name: /127\.0\.0\.1:15001$/ },
      { family: 4, listens: "::", name: /127\.0\.0\.1:15001$/ },
      { family: 6, listens: "::", name: /\[::1\]:15001$/ },
    ] as const)(
      "is named, and the far end is not vouched for (IPv$family, listening on $listens)",
      { timeout: 60_000 },
      async ({ family, listens, name }) => {
        await using world = await World.open();
        const network = await world.network({ variant: "router" });
        const proxy = await network.spawn("left", [process.execPath, "-e", relay(listens)]);
        await said(proxy, "ready");
        const rule = `type nat hook output priority -100; tcp dport ${PORT} redirect to :${RELAY_PORT};`;
        await network.run("left", ["nft", `table inet mesh { chain o { ${rule} }; }`]);
        const host = network.address("right", family);
        const program = await startProgram(network, "left", [
          { id: "it", family, host, port: PORT, budgetMs: 2500 },
        ]);
        await network.blackHole();
        await program.do({ do: "write", id: "it", bytes: 500 });
        await sleep(3000);
        await program.do({ do: "diagnose" });
        const { cause, certainty, why, unknown } = await program.diagnosis("now", "it");
        expect({ cause, certainty }).toEqual({ cause: "healthy", certainty: "medium" });
        expect(why.join("; ")).toMatch(name);
        expect(unknown[0]).toMatch(/^whether the far end is there at all/);
      },
    );

    it.concurrent("is not suspected of a peer that is as near", { timeout: 60_000 }, async () => {
      await using world = await World.open();
      const network = await world.network({ variant: "router" });
      await startPeer(network, [PORT]);
      const program = await startProgram(network, "left", [
        { id: "it", host: network.address("right"), port: PORT, budgetMs: 2500 },
      ]);
      await sleep(2500);
      await program.do({ do: "diagnose" });
      const { cause, certainty, why } = await program.diagnosis("now", "it");
      expect({ cause, certainty }).toEqual({ cause: "healthy", certainty: "high" });
      expect(why.join("; ")).not.toMatch(/proxy/);
    });
  },
);
