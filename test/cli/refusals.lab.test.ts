import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import { World } from "../../src/lab/world.ts";
import { graceMs } from "../setup/grace.ts";
import { describeWith } from "../setup/requires.ts";
import { asUser, HALFOPEN, NOBODY, Stage, until } from "./stage.ts";

const file = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const SETTLE_MS = 8000;
/** Longer than the budget of all guards here, with time for their actions. */
const JUDGED_MS = 10_000;
const GUARD = ["--detect-within", "5s", "--apply"];
const SAID_ONCE: string = expect.stringMatching(
  /SOCK_DESTROY needs CAP_NET_ADMIN, .*through duplicates of their programs' descriptors instead/,
);
const refusing = (errno: "EPERM" | "ENOSYS" | "ENOPROTOOPT", call: string): string[] => [
  "/usr/bin/python3",
  file("refuse.py"),
  errno,
  call,
  "--",
];

await describeWith(
  ["root", "namespaces", "ss", "/usr/bin/python3"],
  "a system that refuses calls",
  () => {
    let world: World;
    beforeAll(async () => {
      world = await World.open();
    });
    afterAll(() => world.close());

    it.concurrent("the service works with the capabilities of its unit, and misses each one that is taken away", {
      timeout: 120_000,
    }, async () => {
      const unit = readFileSync(file("../../contrib/halfopen-guard.service"), "utf8");
      const capabilities =
        /^CapabilityBoundingSet=(.*)$/m.exec(unit)?.[1]?.toLowerCase().split(" ") ?? [];
      const [, command = ""] = /^ExecStart=\/usr\/bin\/env halfopen (guard .*)$/m.exec(unit) ?? [];
      expect(capabilities).toEqual(["cap_net_admin", "cap_sys_ptrace", "cap_dac_read_search"]);
      const service = async (
        without = "",
      ): Promise<{ actions: () => string[]; reasons: () => string[] }> => {
        const kept = capabilities
          .filter((name) => name !== without)
          .map((name) => `,+${name.slice(4)}`);
        const args = command
          .replace("/etc/halfopen/guard.yaml", file("../../contrib/guard.yaml"))
          .replace(/ --metrics \S+| --json/g, "");
        const stage = await Stage.open(world);
        const client = await stage.client(5432, { uid: NOBODY, isWriting: true });
        const prefix = ["setpriv", `--bounding-set=-all${kept.join("")}`, "--inh-caps=-all"];
        const { running, events } = await stage.guard(args.split(" ").slice(1), prefix);
        await until(() => events().length > 0, "it covers the connection or reports why not");
        await stage.network.pullCable();
        // Where the guard can set nothing, the kernel's own backoff decides when it is proven.
        expect(await client.ended).toBe(7);
        await until(
          () => events().some(({ action }) => action === "destroy"),
          "it reports the end",
        );
        expect(running.process.errors).toEqual([]);
        return {
          actions: () => events().map(({ action }) => action),
          reasons: () => events().map(({ reason }) => reason),
        };
      };
      const [whole, ptraceless, readless] = await Promise.all([
        service(),
        service("cap_sys_ptrace"),
        service("cap_dac_read_search"),
      ]);
      expect(whole.actions()).toEqual(["set", "destroy"]);
      // Without settings, a connection with data in flight can still be ended.
      expect(ptraceless.actions()).toEqual(["error", "destroy"]);
      expect(ptraceless.reasons()[0]).toContain("no process that holds it can be seen");
      expect(readless.actions()).toEqual(["error", "destroy"]);
      expect(readless.reasons()[0]).toContain("CAP_DAC_READ_SEARCH");
    });

    it.concurrent("an ordinary user's guard ends that user's dead connections and reports those beyond its reach", {
      timeout: 120_000,
    }, async () => {
      const stage = await Stage.open(world);
      const own = [
        await stage.client(7000, { uid: NOBODY }),
        await stage.client(7001, { uid: NOBODY, isWriting: true }),
      ];
      const other = await stage.client(7002, { isWriting: true });
      const before = await stage.settings();
      const { running, events } = await stage.guard(GUARD, asUser(NOBODY));
      await until(() => events().length === 3, "it has handled all three");
      expect((await stage.settings())["10.77.0.2:7002"]).toEqual(before["10.77.0.2:7002"]);
      await sleep(SETTLE_MS);
      await stage.network.pullCable();
      await sleep(JUDGED_MS);
      expect(await Promise.all(own.map(({ ended }) => ended))).toEqual([7, 7]);
      expect(other.code()).toBeUndefined();
      const about = (port: number): [string, string][] =>
        events().flatMap(({ action, reason, connection }) =>
          connection.remote.endsWith(`:${port}`) ? [[action, reason]] : [],
        );
      expect(about(7000).map(([action]) => action)).toEqual(["set", "destroy"]);
      expect(about(7001).map(([action]) => action)).toEqual(["set", "destroy"]);
      expect(about(7002)).toEqual([
        [
          "error",
          expect.stringContaining(
            "CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH are needed for other users' processes",
          ),
        ],
        ["would-destroy", expect.stringContaining("it stays, because this guard may not end it")],
      ]);
      expect(running.process.errors).toEqual([SAID_ONCE]);
      await running.process.signal("SIGTERM");
      expect(await running.ended).toBe(0);
    });

    it.concurrent("without CAP_NET_ADMIN the guard says once that SOCK_DESTROY is refused, and ends every dead connection through its descriptor", {
      timeout: 120_000,
    }, async () => {
      const stage = await Stage.open(world);
      const clients = [
        await stage.client(7000, { uid: NOBODY, isWriting: true }),
        await stage.client(7001, { kind: "python", isWriting: true }),
        await stage.client(7002, { isWriting: true }),
      ];
      const { running, events } = await stage.guard(GUARD, [
        "setpriv",
        "--bounding-set=-all,+sys_ptrace,+dac_read_search",
        "--inh-caps=-all",
      ]);
      await until(() => events().length === 3, "all are set");
      await until(() => running.process.errors.length > 0, "it says so");
      await stage.network.pullCable();
      expect(await Promise.all(clients.map(({ ended }) => ended))).toEqual([7, 7, 7]);
      await until(() => events().length === 6, "it reports the ends");
      expect(events().map(({ action }) => action)).toEqual([
        ...Array(3).fill("set"),
        ...Array(3).fill("destroy"),
      ]);
      expect(running.process.errors).toEqual([SAID_ONCE]);
    });

    it.concurrent.each([
      ["EPERM", "pidfd_open"],
      ["ENOSYS", "pidfd_open"],
      ["EPERM", "pidfd_getfd"],
      ["ENOSYS", "pidfd_getfd"],
    ] as const)(
      "%s for %s: guard and exec report it, the program runs on, root still ends what it can",
      { timeout: 120_000 },
      async (errno, call) => {
        const [guarded, run] = await Promise.all([Stage.open(world), Stage.open(world)]);
        const idle = await guarded.client(7000);
        const writing = await guarded.client(7001, { isWriting: true });
        const before = await guarded.settings();
        const { events } = await guarded.guard(GUARD, refusing(errno, call));
        const started = await run.client(7000, {
          prefix: [
            ...asUser(NOBODY),
            ...refusing(errno, call),
            ...HALFOPEN,
            "exec",
            "--detect-within",
            "5s",
            "--",
          ],
        });
        await sleep(SETTLE_MS);
        expect(await guarded.settings()).toEqual(before);
        await Promise.all([guarded.network.pullCable(), run.network.pullCable()]);
        await sleep(JUDGED_MS);
        expect(
          events()
            .map(({ action }) => action)
            .sort(),
        ).toEqual(["destroy", "error", "error"]);
        for (const { action, reason } of events())
          if (action === "error")
            expect(reason).toContain(`its settings could not be reached: ${errno}`);
        expect({ idle: idle.code(), writing: writing.code(), started: started.code() }).toEqual({
          idle: undefined,
          writing: 7,
          started: undefined,
        });
        expect(started.process.errors).toEqual([
          expect.stringContaining(`its settings could not be reached: ${errno}`),
        ]);
      },
    );

    it.concurrent.each(["EPERM", "ENOSYS"] as const)(
      "%s for netlink: exit code 3, but exec still runs its program",
      { timeout: 120_000 },
      async (errno) => {
        const stage = await Stage.open(world);
        for (const command of [["guard", ...GUARD], ["audit"]]) {
          const { process, ended, lines } = await stage.start("left", [
            ...refusing(errno, "sock_diag"),
            ...HALFOPEN,
            ...command,
          ]);
          expect({ code: await ended, lines }).toEqual({ code: 3, lines: [] });
          expect(process.errors.join("\n")).toContain(`the system refuses netlink: ${errno}`);
        }
        const program = ["sh", "-c", "echo ran; exit 5"];
        const { process, ended, lines } = await stage.start("left", [
          ...refusing(errno, "sock_diag"),
          ...HALFOPEN,
          "exec",
          "--",
          ...program,
        ]);
        expect({ code: await ended, lines }).toEqual({ code: 5, lines: ["ran"] });
        await until(() => process.errors.length > 0, "exec reports it");
        expect(process.errors.join("\n")).toContain(`${errno}`);
      },
    );

    it.concurrent("on an older kernel without a cap on backoff, a dead peer is found by the sixth timeout, and the backstop goes when the guard stops", {
      timeout: 120_000,
    }, async () => {
      const older = refusing("ENOPROTOOPT", "rto_max");
      const [watched, restarted] = await Promise.all([Stage.open(world), Stage.open(world)]);
      const idle = await watched.client(7000);
      const writing = await watched.client(7001, { isWriting: true });
      const late = await restarted.client(7001, { isWriting: true });
      const guards = await Promise.all([
        watched.guard(GUARD, older),
        restarted.guard(GUARD, older),
      ]);
      await until(
        () => guards[0].events().length === 2 && guards[1].events().length === 1,
        "all are set",
      );
      expect(guards[0].events()[0]?.after?.rtoMaxMs).toBeNull();
      await sleep(SETTLE_MS);
      const cutAt = performance.now();
      await Promise.all([watched.network.pullCable(), restarted.network.pullCable()]);
      const userTimeout = async (): Promise<number | null | undefined> =>
        (await restarted.settings())["10.77.0.2:7001"]?.userTimeoutMs;
      await until(
        async () => Number(await userTimeout()) >= 60_000,
        "the kernel stands in while data is in flight",
      );
      await guards[1].running.process.signal("SIGTERM");
      expect(await guards[1].running.ended).toBe(0);
      expect(await userTimeout()).toBe(0);
      const again = await restarted.guard(GUARD, older);
      expect(await Promise.all([idle.ended, writing.ended])).toEqual([7, 7]);
      // Without a cap the sixth timeout comes 6.7 s after the first transmission
      expect(performance.now() - cutAt).toBeLessThan(7000 + 2 * graceMs());
      expect(await late.ended).toBe(7);
      expect(again.events().map(({ action }) => action)).toEqual(["set", "destroy"]);
    });

    it.concurrent("exec by root covers a program that runs as another user", {
      timeout: 120_000,
    }, async () => {
      const stage = await Stage.open(world);
      const exec = [...HALFOPEN, "exec", "--detect-within", "5s", "--", ...asUser(NOBODY)];
      const client = await stage.client(7000, { prefix: exec });
      await sleep(SETTLE_MS);
      await stage.network.pullCable();
      await sleep(JUDGED_MS);
      expect(client.code()).toBe(7);
    });
  },
);
