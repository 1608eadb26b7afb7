import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { World } from "../../src/lab/world.ts";
import { describeWith } from "../setup/requires.ts";
import { startWatchedProgram, type WatchedProgram } from "./watched-program.ts";

const IDS = ["a", "b", "c"] as const;
const CONNECTIONS = IDS.map((id) => ({ id, traffic: "idle" as const, budgetMs: 3000 }));

async function localPort(subject: WatchedProgram, id: string): Promise<string> {
  await subject.send({ do: "diagnose" });
  const { diagnosis } = await subject.event("now", id);
  return diagnosis.local?.split(":").at(-1) ?? "";
}

await describeWith(
  ["namespaces", "nft", "conntrack"],
  "several connections to one peer distinguish",
  () => {
    it.concurrent("a flow that the NAT forgot, from a peer that died", {
      timeout: 40_000,
    }, async () => {
      await using world = await World.open();
      const network = await world.network({ variant: "router", nat: true });
      const subject = await startWatchedProgram(network, CONNECTIONS);
      const port = await localPort(subject, "a");
      await sleep(1500);
      await network.run("mid", ["conntrack", "-D", "-p", "tcp", "--orig-port-src", port]);
      const { diagnosis } = await subject.event("dead", "a");
      expect(diagnosis.why.join("; ")).toMatch(
        /2 other connections to the same peer are alive: a NAT or firewall forgot this flow/,
      );
      expect(subject.events.filter(({ event, id }) => event === "dead" && id !== "a")).toEqual([]);
    });

    it.concurrent("a peer that died, from a flow that the NAT forgot", {
      timeout: 40_000,
    }, async () => {
      await using world = await World.open();
      const network = await world.network();
      const subject = await startWatchedProgram(network, CONNECTIONS);
      await sleep(4000);
      await network.pullCable();
      const dead = await Promise.all(IDS.map((id) => subject.event("dead", id)));
      const last = dead.reduce((a, b) => (a.at > b.at ? a : b));
      expect(last.diagnosis.why.join("; ")).toMatch(
        /all 2 other connections to the same peer are silent too/,
      );
    });
  },
);
