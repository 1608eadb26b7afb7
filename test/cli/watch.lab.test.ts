import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Diagnosis } from "../../src/core/diagnosis.ts";
import { World } from "../../src/lab/world.ts";
import { graceMs } from "../setup/grace.ts";
import { describeWith } from "../setup/requires.ts";
import { HALFOPEN, type Running, Stage, until } from "./stage.ts";

interface Told {
  readonly time: string;
  readonly event: string;
  readonly rttMs: number | null;
  readonly diagnosis: Diagnosis;
}

const told = ({ lines }: Running): Told[] => lines.map((line) => JSON.parse(line) as Told);
const BUDGET_MS = 5000;

/** Runs a command in a mount namespace in which `lines` replace a file under /etc. */
const seeing = (file: string, lines: readonly string[]): string[] => [
  ...[
    "unshare",
    "-m",
    "sh",
    "-c",
    'mount -t tmpfs none /mnt && printf "%b" "$1" > /mnt/it && mount --bind /mnt/it "$0" && shift && exec "$@"',
  ],
  file,
  lines.map((line) => `${line}\\n`).join(""),
];

await describeWith(["namespaces", "ss"], "halfopen watch", () => {
  let world: World;
  beforeAll(async () => {
    world = await World.open();
  });
  afterAll(() => world.close());

  it.concurrent.each([4, 6] as const)(
    "shows the state of an IPv%s connection, and its death within the budget",
    { timeout: 120_000 },
    async (family) => {
      const stage = await Stage.open(world);
      const host = stage.network.address("right", family);
      const args = [
        family === 6 ? `[${host}]:7000` : `${host}:7000`,
        "--detect-within",
        `${BUDGET_MS}ms`,
        "--every",
        "500ms",
      ];
      const [json, text] = await Promise.all([
        stage.start("left", [...HALFOPEN, "watch", ...args, "--json"]),
        stage.start("left", [...HALFOPEN, "watch", ...args]),
      ]);
      await until(
        () => json.lines.length > 8 && text.lines.length > 8,
        "they show vital signs, and the peer has answered two probes",
      );
      for (const { event, rttMs, diagnosis } of told(json)) {
        expect({ event, state: diagnosis.state }).toEqual({ event: "vitals", state: "alive" });
        expect(rttMs).toBeGreaterThan(0);
        // The standing keepalive probes after two seconds, an answer has 200 ms, and a calm
        // connection is checked up to 312 ms late.
        expect(diagnosis.silentForMs).toBeLessThan(2500 + graceMs());
      }
      expect(text.lines.at(-1)).toMatch(
        /^\S+ alive {3}heard .* ago {2}rtt .* ms {2}in flight 0 {2}sent again 0 {2}/,
      );

      const cutAt = performance.now();
      await stage.network.pullCable();
      expect({ json: await json.ended, text: await text.ended }).toEqual({ json: 1, text: 1 });
      expect(performance.now() - cutAt).toBeLessThan(BUDGET_MS + 250 + graceMs());
      const events = told(json).filter(({ event }) => event !== "vitals");
      expect(events.map(({ event }) => event)).toEqual(["suspect", "dead", "close"]);
      expect(events[1]?.diagnosis).toMatchObject({ state: "dead", cause: "path-silent" });
      expect(text.lines.at(-2)).toMatch(/ dead {4}path-silent, /);
    },
  );

  it.concurrent("gives up an unreachable peer within the budget", {
    timeout: 120_000,
  }, async () => {
    const stage = await Stage.open(world);
    await stage.network.pullCable();
    const startedAt = performance.now();
    const peer = `${stage.network.address("right")}:7000`;
    const running = await stage.start("left", [
      ...HALFOPEN,
      "watch",
      peer,
      "--detect-within",
      `${BUDGET_MS}ms`,
    ]);
    expect(await running.ended).toBe(1);
    expect(performance.now() - startedAt).toBeLessThan(BUDGET_MS + 1000 + 2 * graceMs()); // Node's start included
    await until(() => running.process.errors.length > 0, "it reports why");
    expect(running.process.errors[0]).toMatch(/^halfopen: 10\.77\.0\.2:7000 was not reached: /);
  });

  describe("a peer that silently drops every SYN", () => {
    const [lost4, lost6] = ["10.77.0.99", "fd77::99"];
    const blackHoles = async (stage: Stage): Promise<void> => {
      for (const address of [lost4, lost6])
        await stage.network.run("left", [
          "ip",
          "neigh",
          "replace",
          address,
          "lladdr",
          "02:77:00:00:00:99",
          "dev",
          "eth0",
          "nud",
          "permanent",
        ]);
    };
    const givenUp = async (
      stage: Stage,
      prefix: readonly string[],
      peer: string,
    ): Promise<string> => {
      const startedAt = performance.now();
      const running = await stage.start("left", [
        ...prefix,
        ...HALFOPEN,
        "watch",
        peer,
        "--detect-within",
        "3s",
      ]);
      expect({ code: await running.ended, lines: running.lines }).toEqual({ code: 1, lines: [] });
      expect(performance.now() - startedAt).toBeLessThan(3000 + 2000 + 2 * graceMs()); // Node's start included
      await until(() => running.process.errors.length > 0, "it reports why");
      return running.process.errors.join("\n");
    };

    it.concurrent("is given up within the budget, by address and by name", {
      timeout: 120_000,
    }, async () => {
      const stage = await Stage.open(world);
      await blackHoles(stage);
      expect(await givenUp(stage, [], `${lost4}:7000`)).toBe(
        `halfopen: ${lost4}:7000 was not reached: no answer from ${lost4} within 3 s`,
      );
      expect(await givenUp(stage, [], `[${lost6}]:7000`)).toMatch(
        /no answer from fd77::99 within 3 s$/,
      );
      const both = seeing("/etc/hosts", [`${lost6} lost`, `${lost4} lost`]);
      expect(await givenUp(stage, both, "lost:7000")).toMatch(
        /no answer from \S+, \S+ within 3 s$/,
      );
    });

    it.concurrent("does not stop another address of the same name from answering", {
      timeout: 120_000,
    }, async () => {
      const stage = await Stage.open(world);
      await blackHoles(stage);
      const hosts = seeing("/etc/hosts", [
        `${lost6} half`,
        `${stage.network.address("right")} half`,
      ]);
      const running = await stage.start("left", [
        ...hosts,
        ...HALFOPEN,
        "watch",
        "half:7000",
        "--detect-within",
        "3s",
        "--every",
        "100ms",
      ]);
      await until(() => running.lines.length > 2, "it is connected");
      await running.process.signal("SIGINT");
      expect(await running.ended).toBe(0);
    });

    it.concurrent("is given up within the budget when the lookup of its name stays unanswered", {
      timeout: 120_000,
    }, async () => {
      const stage = await Stage.open(world);
      await blackHoles(stage);
      const resolver = seeing("/etc/resolv.conf", [
        `nameserver ${lost4}`,
        "options timeout:10 attempts:3",
      ]);
      expect(await givenUp(stage, resolver, "db.internal:5432")).toMatch(
        /its name was not resolved within 3 s$/,
      );
    });
  });

  it.concurrent("reports how a connection ended that the peer refused or the user stopped", {
    timeout: 120_000,
  }, async () => {
    const stage = await Stage.open(world);
    const host = stage.network.address("right");
    const refused = await stage.start("left", [...HALFOPEN, "watch", `${host}:9`, "--json"]);
    expect({ code: await refused.ended, lines: refused.lines }).toEqual({ code: 1, lines: [] });
    await until(() => refused.process.errors.length > 0, "it reports why");
    expect(refused.process.errors).toEqual([
      `halfopen: ${host}:9 was not reached: connect ECONNREFUSED ${host}:9`,
    ]);
    const stopped = await stage.start("left", [
      ...HALFOPEN,
      "watch",
      `${host}:7000`,
      "--every",
      "100ms",
    ]);
    await until(() => stopped.lines.length > 0, "it is connected");
    await stopped.process.signal("SIGINT");
    expect(await stopped.ended).toBe(0);
    // Both addresses of the name are reported, each in its own words. A name that looks like an
    // option is still a name.
    const hosts = seeing("/etc/hosts", [
      `${stage.network.address("right", 6)} both`,
      `${host} both`,
    ]);
    const twice = await stage.start("left", [...hosts, ...HALFOPEN, "watch", "both:9"]);
    expect(await twice.ended).toBe(1);
    await until(() => twice.process.errors.length > 0, "it reports why");
    expect(twice.process.errors.join()).toMatch(
      /not reached: connect ECONNREFUSED \S+; connect ECONNREFUSED \S+$/,
    );
    const optional = await stage.start("left", [...HALFOPEN, "watch", "--", "--version:9"]);
    expect(await optional.ended).toBe(1);
    await until(() => optional.process.errors.length > 0, "it reports why");
    expect(optional.process.errors.join()).toMatch(/not reached: getaddrinfo E\w+ --version$/);
    for (const args of [
      [],
      ["nonsense"],
      [`${host}:0`],
      ["fd00::1:7000"],
      [`${host}:7000`, "--detect-within", "1s"],
      [`${host}:7000`, "--every", "1ms"],
    ]) {
      const wrong = await stage.start("left", [...HALFOPEN, "watch", ...args]);
      expect({ args, code: await wrong.ended, lines: wrong.lines }).toEqual({
        args,
        code: 2,
        lines: [],
      });
    }
  });
});
