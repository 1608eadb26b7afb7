import { afterAll, beforeAll, expect, it } from "vitest";
import type { LocalPath } from "../../../src/core/diagnosis.ts";
import type { Network, Variant } from "../../../src/lab/network.ts";
import { World } from "../../../src/lab/world.ts";
import { describeWith } from "../../setup/requires.ts";

const PROGRAM = new URL("local-path-program.mjs", import.meta.url).pathname;
const FAMILIES = [4, 6] as const;

let world: World;

interface Look {
  readonly network: Network;
  /** Returns the left host's path to the right host, as the same program finds it every time. */
  path(family: 4 | 6): Promise<LocalPath>;
  touch(family: 4 | 6): Promise<unknown>;
}

async function lookFrom(variant: Variant): Promise<Look> {
  const network = await world.network({ variant });
  const program = await network.spawn("left", [process.execPath, PROGRAM], { unprivileged: true });
  const waiting: ((line: string) => void)[] = [];
  program.onLine((line) => waiting.shift()?.(line));
  program.onExit(() => waiting.shift()?.(`the program ended: ${program.errors.join(" ")}`));
  const ask = async (line: string): Promise<LocalPath> => {
    const answered = new Promise<string>((resolve) => waiting.push(resolve));
    await program.write(line);
    return JSON.parse(await answered) as LocalPath;
  };
  return {
    network,
    path: (family) => ask(`${network.address("left", family)} ${network.address("right", family)}`),
    touch: (family) => ask(`touch ${network.address("right", family)}`),
  };
}

await describeWith(["namespaces"], "the local path, as an unprivileged program sees it", () => {
  beforeAll(async () => {
    world = await World.open();
  });
  afterAll(() => world.close());

  it.concurrent.each(FAMILIES)(
    "is whole between two hosts on a switch, and shows the neighbour's state (IPv%d)",
    async (family) => {
      const { path, touch } = await lookFrom("switch");
      const whole = {
        hasRoute: true,
        interfaceName: "eth0",
        linkUp: true,
        hasSourceAddress: true,
        gateway: null,
        wasInOrder: null,
      };
      expect(await path(family)).toEqual({ ...whole, neighbor: null });
      await touch(family);
      const seen = await path(family);
      expect(seen).toMatchObject(whole);
      expect(seen.neighbor).toMatch(/^(REACHABLE|DELAY|STALE|PROBE)$/);
    },
  );

  it.concurrent.each(FAMILIES)("names the router on the way (IPv%d)", async (family) => {
    const { path } = await lookFrom("router");
    expect(await path(family)).toMatchObject({
      hasRoute: true,
      linkUp: true,
      gateway: family === 4 ? "10.77.1.254" : "fd77:1::fe",
    });
  });

  it.concurrent.each(FAMILIES)(
    "is whole on our side when the peer's cable is pulled, but the neighbour is not found (IPv%d)",
    async (family) => {
      const { network, path, touch } = await lookFrom("switch");
      await network.pullCable("right");
      await touch(family);
      expect(await path(family)).toMatchObject({
        hasRoute: true,
        linkUp: true,
        hasSourceAddress: true,
        neighbor: expect.stringMatching(/INCOMPLETE|FAILED/),
      });
    },
  );

  it.concurrent.each(FAMILIES)(
    "has no carrier when our own cable is pulled (IPv%d)",
    async (family) => {
      const { network, path } = await lookFrom("switch");
      await network.pullCable("left");
      await expect.poll(async () => (await path(family)).linkUp, { timeout: 2000 }).toBe(false);
      await network.plugCable("left");
      await expect.poll(async () => (await path(family)).linkUp, { timeout: 2000 }).toBe(true);
    },
  );

  it.concurrent.each(FAMILIES)("has no route when our link is set down (IPv%d)", async (family) => {
    const { network, path } = await lookFrom("switch");
    await network.linkDown("left");
    // IPv4 addresses stay on a link that is down. Linux removes IPv6 addresses from it
    // (keep_addr_on_down = 0).
    expect(await path(family)).toMatchObject({ hasRoute: false, hasSourceAddress: family === 4 });
  });

  it.concurrent.each(FAMILIES)(
    "has no source address when ours is removed (IPv%d)",
    async (family) => {
      const { network, path } = await lookFrom("switch");
      await network.removeAddresses("left");
      expect(await path(family)).toMatchObject({ hasRoute: false, hasSourceAddress: false });
    },
  );

  it.concurrent.each(FAMILIES)("has no route when ours is removed (IPv%d)", async (family) => {
    const { network, path } = await lookFrom("switch");
    await network.removeRoutes("left");
    expect(await path(family)).toMatchObject({ hasRoute: false, hasSourceAddress: true });
  });
});
