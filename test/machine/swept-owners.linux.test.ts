import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fstatSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { OptionsWanted } from "../../src/kernel/connection-options.ts";
import { descriptorOf } from "../../src/kernel/descriptor.ts";
import { DescriptorSweep } from "../../src/kernel/descriptor-sweep.ts";
import { applyKeepalive } from "../../src/kernel/keepalive.ts";
import { openPort } from "../../src/kernel/open-port.ts";
import type { SystemPort } from "../../src/kernel/port.ts";
import { applyRtoMax } from "../../src/kernel/rto-max.ts";
import { applyUserTimeout } from "../../src/kernel/user-timeout.ts";
import { ConnectionTable } from "../../src/machine/connection-table.ts";
import { cutShares } from "../../src/machine/descriptor-share.ts";
import { OwnerSearch } from "../../src/machine/owner-search.ts";
import { listPids } from "../../src/machine/owners.ts";
import { HANGING_STATES, takeSurvey } from "../../src/machine/survey.ts";
import { describeWith } from "../setup/requires.ts";
import { diagMessage } from "./diag-message.ts";

const EPERM = 1;
const EBADF = 9;
const ENOPROTOOPT = 92;
const SO_COOKIE = 57;
const MOST_DESCRIPTORS = Number.POSITIVE_INFINITY;

const HELD = fileURLToPath(new URL("held-connection.mjs", import.meta.url));
const port = openPort() as SystemPort;

/** Also of a listener. */
function inodeOf(socket: unknown): number {
  const { _handle } = socket as { readonly _handle: { readonly fd: number } };
  return fstatSync(_handle.fd).ino;
}

/** The usual way tells of sockets that this program opened itself what `tell` makes of their cookies. */
function cookiesOfOwnSockets(tell: (cookie: Uint8Array, length: number) => number): Partial<SystemPort> {
  const own = new Set<number>();
  return {
    socket(domain, type, protocol) {
      const fd = port.socket(domain, type, protocol);
      own.add(fd);
      return fd;
    },
    getsockopt(fd, level, option, value) {
      const length = port.getsockopt(fd, level, option, value);
      return option === SO_COOKIE && own.delete(fd) ? tell(value, length) : length;
    },
  };
}

const wrongCookies = cookiesOfOwnSockets((cookie, length) => {
  cookie[0] = (cookie[0] ?? 0) ^ 1;
  return length;
});

await describeWith(["root", "bpf"], "a sweep over all descriptors", () => {
  const servers: Server[] = [];
  const sockets: Socket[] = [];
  const children: ChildProcess[] = [];
  const inodes = new Set<number>();

  /** Both ends of a connection in this process. */
  async function connection(host: string): Promise<Socket> {
    const server = createServer((socket) => sockets.push(socket)).listen(0, host);
    servers.push(server);
    await once(server, "listening");
    const { port: at } = server.address() as { port: number };
    const client = connect(at, host);
    sockets.push(client);
    await Promise.all([once(client, "connect"), once(server, "connection")]);
    for (const it of [server, client, sockets.at(-1)]) inodes.add(inodeOf(it));
    return client;
  }

  async function started(command: readonly string[], inherited: Socket | null = null): Promise<void> {
    const [program = "", ...args] = command;
    const child = spawn(program, args, { stdio: ["pipe", "pipe", "inherit", ...(inherited ? [descriptorOf(inherited)] : [])] });
    children.push(child);
    const [line] = await once(child.stdout as NodeJS.ReadableStream, "data");
    for (const inode of String(line).trim().split(" ")) inodes.add(Number(inode));
  }

  beforeAll(async () => {
    await connection("127.0.0.1"); // with nothing set
    const keeping = descriptorOf(await connection("127.0.0.1"));
    applyKeepalive(keeping, { enabled: true, idleMs: 33_000, intervalMs: 5000, count: 6 });
    applyUserTimeout(keeping, 23_456);
    applyRtoMax(keeping, 5500);
    const off = descriptorOf(await connection("::1"));
    applyKeepalive(off, { enabled: false, idleMs: 44_000, intervalMs: 9000, count: 127 });
    const shared = await connection("::1");
    shared.setKeepAlive(true, 12_000);
    await started([process.execPath, HELD], shared);
    await started(["unshare", "--pid", "--fork", "--kill-child", process.execPath, HELD]);
    await started(["unshare", "--net", "sh", "-c", `ip link set lo up && exec "${process.execPath}" "${HELD}" 1234`]);
  });

  afterAll(async () => {
    for (const child of children) child.stdin?.end();
    for (const it of [...sockets, ...servers]) "destroy" in it ? it.destroy() : it.close();
    await Promise.all(children.map((child) => (child.exitCode === null ? once(child, "exit") : null)));
  });

  function surveyed(): ConnectionTable {
    const request = { states: [...HANGING_STATES, "LISTEN"] as const, withInfo: true, filter: [], allNamespaces: true };
    return takeSurvey(port, request).table;
  }

  /** What is found of this test's sockets, and through which calls. */
  async function found(table: ConnectionTable, worthASweep: number, wanted: OptionsWanted = "all", changes: Partial<SystemPort> = {}) {
    const calls = { bpf: 0, pidfdGetfd: 0, left: 0 };
    const counting = (name: "bpf" | "pidfdGetfd" | null, result: number): number => {
      if (name !== null) calls[name]++;
      if (result >= 0) calls.left++;
      return result;
    };
    const kernel = { ...port, ...changes };
    const counted: SystemPort = {
      ...kernel,
      bpf: (command, attributes) => counting("bpf", kernel.bpf(command, attributes)),
      pidfdOpen: (pid, flags) => counting(null, kernel.pidfdOpen(pid, flags)),
      pidfdGetfd: (pidfd, fd, flags) => counting("pidfdGetfd", kernel.pidfdGetfd(pidfd, fd, flags)),
      socket: (domain, type, protocol) => counting(null, kernel.socket(domain, type, protocol)),
      close(fd) {
        calls.left--;
        return kernel.close(fd);
      },
    };
    const sweep = new DescriptorSweep(counted);
    try {
      const { owners, hidden } = await new OwnerSearch(counted, { wanted, sweep, worthASweep, worthAThread: MOST_DESCRIPTORS }).run(table);
      const rows = Array.from(table.rows(), ({ index, inode, state, isSeenWithoutKeepalive }) => ({
        inode,
        state,
        isSeenWithoutKeepalive,
        owner: owners.ownerOf(index),
        options: owners.optionsOf(index),
        errno: owners.errnoOf(index),
      }));
      return { calls, hidden, rows: rows.filter(({ inode }) => inodes.has(inode)) };
    } finally {
      sweep.close();
    }
  }

  it.each(["all", "deciding"] as const)("finds what a search descriptor by descriptor finds, wanted: %s", async (wanted) => {
    const table = surveyed();
    const swept = await found(table, 0, wanted);
    const searched = await found(table, MOST_DESCRIPTORS, wanted);
    expect(swept.calls).toEqual({ bpf: 3, pidfdGetfd: 0, left: 0 });
    expect(searched.calls).toMatchObject({ bpf: 0, left: 0 });
    expect(searched.calls.pidfdGetfd).toBeGreaterThanOrEqual(swept.rows.length);
    // Four connections here and one in each child: two ends and a listener.
    expect(swept.rows.length).toBe(21);
    expect(swept.rows).toEqual(searched.rows);
  });

  it("tells own settings, those of the socket's namespace where it has none, and the parent of what is inherited", async () => {
    const { rows } = await found(surveyed(), 0);
    const told = rows.map(({ options, owner }) => ({ ...options?.keepalive, userTimeoutMs: options?.userTimeoutMs, pid: owner?.pid }));
    expect(told).toContainEqual({ enabled: true, idleMs: 33_000, intervalMs: 5000, count: 6, userTimeoutMs: 23_456, pid: process.pid });
    expect(told).toContainEqual({ enabled: false, idleMs: 44_000, intervalMs: 9000, count: 127, userTimeoutMs: 0, pid: process.pid });
    expect(told).toContainEqual({
      enabled: true,
      idleMs: 1_234_000,
      intervalMs: 11_000,
      count: 4,
      userTimeoutMs: 0,
      pid: children.at(-1)?.pid,
    });
    const inherited = told.find(({ idleMs }) => idleMs === 12_000);
    expect(inherited?.pid).toBe(Math.min(process.pid, children[0]?.pid ?? 0));
  });

  it.each<[string, Partial<SystemPort>, number]>([
    ["programs are forbidden", { bpf: () => -EPERM }, 1],
    ["the kernel links none", { bpf: (command, attributes) => (command === 28 ? -EPERM : port.bpf(command, attributes)) }, 2],
    ["the kernel gives nothing to read", { bpf: (command, attributes) => (command === 33 ? -EPERM : port.bpf(command, attributes)) }, 3],
    ["there is no socket for the test of it", { socket: () => -24 }, 1],
    ["the kernel tells no cookies of them", cookiesOfOwnSockets(() => -ENOPROTOOPT), 1],
    ["one thing is told wrongly of our own sockets", wrongCookies, 3],
  ])("is given up, and leaves nothing behind, when %s", async (_, changes, bpf) => {
    const table = surveyed();
    const refused = await found(table, 0, "all", changes);
    expect(refused.calls).toMatchObject({ bpf, left: 0 });
    expect(refused.calls.pidfdGetfd).toBeGreaterThan(0);
    expect(refused.rows).toEqual((await found(table, MOST_DESCRIPTORS)).rows);
  });

  it("says EBADF of a row whose inode is another socket's by now, as the search does", async () => {
    const table = new ConnectionTable();
    for (const socket of sockets) {
      const message = diagMessage({ inode: inodeOf(socket), cookie: 4711 });
      table.add(message, 0, message.length, 0);
    }
    const swept = await found(table, 0);
    expect(swept.rows.length).toBeGreaterThan(3);
    expect(new Set(swept.rows.map(({ errno }) => errno))).toEqual(new Set([EBADF]));
    expect(swept.rows).toEqual((await found(table, MOST_DESCRIPTORS)).rows);
  });

  it("is not tried unless asked for, nor for single processes, nor where there is little to look at", async () => {
    const untouched = { ...port, bpf: () => expect.fail("a program was loaded") };
    const sweep = new DescriptorSweep(untouched);
    for (const options of [{ worthASweep: 0 }, { sweep, pids: [process.pid], worthASweep: 0 }, { sweep, worthASweep: 1_000_000_000 }]) {
      await new OwnerSearch(untouched, options).run(surveyed());
    }
  });

  it("is worth it also where only the listing shows that there is much, as before Linux 6.2", async () => {
    const table = surveyed();
    const worthASweep = cutShares(listPids()).descriptors + 5000;
    const message = diagMessage({ inode: 0 });
    while (table.size < worthASweep) table.add(message, 0, message.length, 0);
    expect((await found(table, worthASweep)).calls).toEqual({ bpf: 3, pidfdGetfd: 0, left: 0 });
  });

  it("refused late, has the threads that it was to spare started all the same", async () => {
    let threads = 0;
    const counting = (): void => {
      threads++;
    };
    process.on("worker", counting);
    const refusing: SystemPort = { ...port, bpf: (command, attributes) => (command === 28 ? -EPERM : port.bpf(command, attributes)) };
    const search = new OwnerSearch(refusing, { sweep: new DescriptorSweep(refusing), worthASweep: 0, worthAThread: 0 });
    expect(threads).toBe(0);
    await search.run(surveyed());
    process.off("worker", counting);
    expect(threads).toBe(Math.min(4, availableParallelism()) - 1);
  });
});
