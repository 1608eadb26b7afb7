import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer, type Server } from "node:net";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { HEARD_SLACK_MS } from "../../src/core/judge/lateness.ts";
import { Guarded } from "../../src/guard/guarded.ts";
import { GuardedNamespaces } from "../../src/guard/guarded-namespaces.ts";
import { LinuxGuardWorld } from "../../src/guard/linux-world.ts";
import { NO_BRAKE } from "../../src/guard/mass-death-brake.ts";
import { standingFor, tighten } from "../../src/guard/rule.ts";
import { openPort } from "../../src/kernel/port/open-port.ts";
import type { SystemPort } from "../../src/kernel/port/port.ts";
import { MATCH_ALL } from "../../src/survey/connection-filter.ts";
import { HANGING_STATES, takeSurvey } from "../../src/survey/survey.ts";

const EPERM = 1;
const ESRCH = 3;
const EBADF = 9;
const ENOSYS = 38;

/**
 * A program with two connections. `swap` closes the first and gives its descriptor to the second;
 * `tell` prints whether the second is untouched.
 */
const HOLDER = `
import os, socket, sys
first, second = [socket.create_connection(("127.0.0.1", int(sys.argv[1]))) for _ in range(2)]
print(first.getsockname()[1], flush=True)
for line in sys.stdin:
  if line == "swap\\n":
    os.dup2(second.fileno(), first.fileno()); print("swapped", flush=True)
  if line == "tell\\n":
    second.sendall(b"x")
    print(second.recv(1) == b"x", second.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE), flush=True)
  if line == "first\\n":
    print(first.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE), flush=True)`;

const port = openPort() as SystemPort;

/** A running program with a connection that a guard has found and may act on. */
class Found {
  readonly connection: Guarded;
  readonly #lines: AsyncIterator<string>;
  readonly #holder: ChildProcessWithoutNullStreams;
  readonly #namespaces: ReturnType<typeof takeSurvey>["namespaces"];
  readonly #table: ReturnType<typeof takeSurvey>["table"];

  private constructor(
    holder: ChildProcessWithoutNullStreams,
    lines: AsyncIterator<string>,
    localPort: number,
    remotePort: number,
  ) {
    this.#holder = holder;
    this.#lines = lines;
    const request = {
      states: HANGING_STATES,
      withInfo: true,
      filter: [[{ localPort }], [{ remotePort }]],
      allNamespaces: false,
    };
    const { table, namespaces } = takeSurvey(port, request);
    this.#table = table;
    this.#namespaces = namespaces;
    const standing = standingFor(5000, 1000, 15);
    const rule = {
      name: "all",
      match: MATCH_ALL,
      detectWithinMs: 5000,
      endsDead: true,
      includesListeners: true,
      includesLoopback: true,
    };
    const known = { namespaceOf: () => null, retries2: () => 15 };
    const namespace = new GuardedNamespaces(known, NO_BRAKE).of(0);
    const owner = { pid: holder.pid as number, process: "python3", cgroup: null };
    // Other sockets of this machine may have the same ports at other addresses.
    let index = -1;
    for (const { local, remote, index: at } of table.rows())
      if (local === `127.0.0.1:${localPort}` && remote === `127.0.0.1:${remotePort}`) index = at;
    this.connection = new Guarded(
      table.row(index),
      owner,
      { rule, standing, group: null, namespace },
      0,
    );
  }

  static async start(server: Server): Promise<Found> {
    const { port: at } = server.address() as { port: number };
    const holder = spawn("/usr/bin/python3", ["-c", HOLDER, String(at)], { stdio: "pipe" });
    const lines = createInterface({ input: holder.stdout })[Symbol.asyncIterator]();
    return new Found(holder, lines, Number((await lines.next()).value), at);
  }

  /** Returns a world that acts without privilege. */
  world(changes: Partial<SystemPort> = {}): LinuxGuardWorld {
    const world = new LinuxGuardWorld({
      port: { ...port, ...changes },
      ending: "disconnect",
      pids: () => [this.#holder.pid as number],
    });
    world.enter(this.#namespaces);
    world.learnOwners(this.#table);
    return world;
  }

  async ask(what: "swap" | "tell" | "first"): Promise<string> {
    this.#holder.stdin.write(`${what}\n`);
    return String((await this.#lines.next()).value);
  }

  async exit(): Promise<void> {
    if (this.#holder.exitCode !== null) return;
    const gone = once(this.#holder, "exit");
    this.#holder.stdin.end();
    await gone;
  }
}

/** Does everything that a guard does to a connection. Returns the errnos. */
function actOn(
  world: LinuxGuardWorld,
  { connection }: Found,
): { tune: number; nudge: number; end: number } {
  const tune = world.tune(
    connection,
    (before) => tighten(before, connection.by.standing),
    false,
  ).errno;
  const errnos = { tune, nudge: world.nudge(connection), end: world.end(connection) };
  world.close();
  return errnos;
}

describe.runIf(process.platform === "linux")(
  "between finding a connection and acting on it",
  () => {
    let server: Server;
    let found: Found;

    beforeEach(async () => {
      server = createServer((socket) => socket.on("error", () => {}).pipe(socket)).listen(
        0,
        "127.0.0.1",
      );
      await once(server, "listening");
      found = await Found.start(server);
    });
    afterEach(async () => {
      await found.exit();
      server.close();
    });

    it("its descriptor may become another connection, which is not touched", async () => {
      const world = found.world();
      expect(await found.ask("swap")).toBe("swapped");
      expect(actOn(world, found)).toEqual({ tune: EBADF, nudge: EBADF, end: EBADF });
      expect(await found.ask("tell")).toBe("True 0");
    });

    it("its process may end, which is reported as ESRCH", async () => {
      const world = found.world();
      await found.exit();
      expect(actOn(world, found)).toEqual({ tune: ESRCH, nudge: ESRCH, end: ESRCH });
    });

    it.each([
      ["pidfd_open is not permitted", { pidfdOpen: () => -EPERM }, EPERM],
      ["a sandbox knows no pidfd_open", { pidfdOpen: () => -ENOSYS }, ENOSYS],
      ["pidfd_getfd is not permitted", { pidfdGetfd: () => -EPERM }, EPERM],
      ["a sandbox knows no pidfd_getfd", { pidfdGetfd: () => -ENOSYS }, ENOSYS],
    ])("%s: the errno is returned, and nothing is touched", async (_what, changes, errno) => {
      expect(actOn(found.world(changes), found)).toEqual({ tune: errno, nudge: errno, end: errno });
      expect(await found.ask("first")).toBe("0");
    });

    it.each(["send", "recv"] as const)(
      "this process loses the processor during %s: the peer does not seem to be heard later",
      (when) => {
        const lostMs = [0, 40, 0, 25, 25, 0, 60, 0];
        const world = found.world({
          [when]: (...args: Parameters<SystemPort["recv"]>) => {
            const result = port[when](...args);
            const until = performance.now() + (lostMs.shift() ?? 0);
            while (performance.now() < until);
            return result;
          },
        });
        const heardAt = [];
        while (lostMs.length > 0) {
          const look = world.look(found.connection);
          heardAt.push((look?.at ?? 0) - (look?.info.lastAckReceivedMs ?? 0));
        }
        expect(Math.max(...heardAt) - Math.min(...heardAt)).toBeLessThan(HEARD_SLACK_MS);
        world.close();
      },
    );

    it("nothing may change: then the right connection is set, probed and ended", async () => {
      const world = found.world();
      const tuned = world.tune(
        found.connection,
        (before) => tighten(before, found.connection.by.standing),
        false,
      );
      expect(tuned).toMatchObject({
        errno: 0,
        before: { keepalive: { enabled: false } },
        after: { keepalive: { enabled: true, idleMs: 1000 } },
      });
      expect(await found.ask("first")).toBe("1");
      expect(world.nudge(found.connection)).toBe(0);
      expect(world.end(found.connection)).toBe(0);
      expect(world.look(found.connection)).toBeNull();
      expect(await found.ask("tell")).toBe("True 0");
      world.close();
    });
  },
);
