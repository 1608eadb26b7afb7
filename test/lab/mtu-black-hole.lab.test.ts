import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import type { Network } from "../../src/lab/network.ts";
import { World } from "../../src/lab/world.ts";
import { graceMs } from "../setup/grace.ts";
import { describeWith } from "../setup/requires.ts";
import { type Program, startPeer, startProgram } from "./causes-scene.ts";

const BUDGET_MS = 5000;
const PORT = 7000;
const BYTES = 200_000;
/** Of an MTU of 1500, with timestamps. */
const SEGMENT_BYTES = { 4: 1448, 6: 1428 } as const;
const FAMILIES = [4, 6] as const;
const ids = FAMILIES.map((family) => `IPv${family}`);

/**
 * Makes a network whose router drops packets of more than 1400 bytes without a word (moby#12565),
 * from the handshake on.
 */
async function blackHoleFor(
  world: World,
  { mtuProbing = 0, talks = false, budgetMs = BUDGET_MS, env = {} } = {},
): Promise<{ network: Network; program: Program }> {
  const network = await world.network({ variant: "router" });
  for (const host of ["left", "right"] as const)
    await network.run(host, ["ip", "link", "set", "eth0", "gso_max_segs", "1"]);
  await network.run("left", [
    "sh",
    "-c",
    `echo ${mtuProbing} > /proc/sys/net/ipv4/tcp_mtu_probing`,
  ]);
  await startPeer(network, [PORT], { talks });
  await dropLarge(network);
  const program = await startProgram(
    network,
    "left",
    FAMILIES.map((family) => ({
      id: `IPv${family}`,
      family,
      host: network.address("right", family),
      port: PORT,
      budgetMs,
    })),
    env,
  );
  for (const id of ids) await program.do({ do: "write", id, bytes: 5 });
  await sleep(1500);
  return { network, program };
}

function dropLarge(network: Network): Promise<string> {
  const rule = "type filter hook forward priority 0; meta length > 1400 drop;";
  return network.run("mid", ["nft", `table inet large { chain c { ${rule} }; }`]);
}

/** Writes on each connection. Returns the instant before. */
async function write(program: Program, bytes: number): Promise<number> {
  const at = Number(process.hrtime.bigint() / 1000n) / 1000;
  for (const id of ids) await program.do({ do: "write", id, bytes });
  return at;
}

await describeWith(["namespaces", "root", "nft"], "a path that drops large packets", () => {
  it.concurrent("is named as the cause, and the verdict falls no earlier than the budget demands", {
    timeout: 60_000,
  }, async () => {
    await using world = await World.open();
    const { program } = await blackHoleFor(world);
    const at = await write(program, BYTES);
    for (const id of ids) {
      const suspect = await program.diagnosis("suspect", id);
      expect(suspect).toMatchObject({ cause: "mtu-black-hole", certainty: "medium" });
      const { at: deadAt, diagnosis } = await program.event("dead", id);
      expect(diagnosis).toMatchObject({ cause: "mtu-black-hole", certainty: "medium" });
      expect(diagnosis?.unknown.join()).toMatch(/host is gone/);
      expect(diagnosis?.silentForMs).toBeGreaterThan(BUDGET_MS - 500);
      expect(deadAt - at).toBeLessThan(BUDGET_MS + graceMs());
    }
  });

  it.concurrent.each([
    ["within the budget", BUDGET_MS, {}],
    ["beyond it", BUDGET_MS / 2, {}],
    ["far beyond it, without a cap on backoff", BUDGET_MS / 2, { HALFOPEN_MASK: "rto-max" }],
  ])(
    "ends nothing while the kernel finds the size that passes (tcp_mtu_probing): %s",
    {
      timeout: 60_000,
    },
    async (_, budgetMs, env) => {
      await using world = await World.open();
      const { program } = await blackHoleFor(world, { mtuProbing: 1, budgetMs, env });
      // Full segments only: the kernel's tail loss probe repeats one more of them.
      for (const family of FAMILIES)
        await program.do({ do: "write", id: `IPv${family}`, bytes: 8 * SEGMENT_BYTES[family] });
      for (const id of ids) {
        expect((await program.diagnosis("alive", id)).cause).toBe("healthy");
      }
      await sleep(BUDGET_MS);
      expect(program.has("dead")).toBe(false);
    },
  );

  it.concurrent("is known for sure when the small end of a message arrives", {
    timeout: 60_000,
  }, async () => {
    await using world = await World.open();
    const { program } = await blackHoleFor(world);
    await write(program, 5000);
    await sleep(2500);
    await program.do({ do: "diagnose" });
    for (const id of ids) {
      const { state, cause, certainty, why } = await program.diagnosis("now", id);
      expect({ state, cause, certainty }).toEqual({
        state: "suspect",
        cause: "mtu-black-hole",
        certainty: "high",
      });
      expect(why[0]).toMatch(/smaller ones arrived/);
    }
  });

  it.concurrent("does not make a peer dead that is heard all the time, but the budget is overdue", {
    timeout: 60_000,
  }, async () => {
    await using world = await World.open();
    const { program } = await blackHoleFor(world, { talks: true });
    await write(program, BYTES);
    for (const id of ids) {
      const overdue = await program.diagnosis("overdue", id);
      expect(overdue).toMatchObject({ state: "suspect", cause: "mtu-black-hole" });
    }
    // Longer than 15 timeouts under our cap on backoff, after which the kernel would give up.
    await sleep(3 * BUDGET_MS);
    expect(program.has("dead")).toBe(false);
  });

  it.concurrent("is not blamed for a peer that is gone, where large packets passed before", {
    timeout: 60_000,
  }, async () => {
    await using world = await World.open();
    const network = await world.network({ variant: "router" });
    await startPeer(network, [PORT]);
    const program = await startProgram(
      network,
      "left",
      FAMILIES.map((family) => ({
        id: `IPv${family}`,
        family,
        host: network.address("right", family),
        port: PORT,
        budgetMs: BUDGET_MS,
      })),
    );
    await write(program, BYTES);
    await sleep(1500);
    await network.blackHole();
    const at = await write(program, BYTES);
    for (const id of ids) {
      const { at: deadAt, diagnosis } = await program.event("dead", id);
      expect(diagnosis?.cause).toBe("path-silent");
      expect(deadAt - at).toBeLessThan(BUDGET_MS + graceMs());
    }
  });
});
