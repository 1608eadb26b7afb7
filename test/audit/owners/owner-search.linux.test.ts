import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fstatSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import { findOwners } from "../../../src/audit/owners/owner-search.ts";
import { applyKeepalive } from "../../../src/kernel/options/keepalive.ts";
import { applyUserTimeout } from "../../../src/kernel/options/user-timeout.ts";
import { openPort } from "../../../src/kernel/port/open-port.ts";
import type { SystemPort } from "../../../src/kernel/port/port.ts";
import { descriptorOf } from "../../../src/kernel/process/descriptor.ts";
import { HANGING_STATES, takeSurvey } from "../../../src/survey/survey.ts";
import { describeWith } from "../../setup/requires.ts";

const HELD = fileURLToPath(new URL("held-connection.mjs", import.meta.url));
const port = openPort() as SystemPort;

/** Returns the inode of a socket or a listener. */
function inodeOf(socket: unknown): number {
  const { _handle } = socket as { readonly _handle: { readonly fd: number } };
  return fstatSync(_handle.fd).ino;
}

await describeWith(["root"], "the search for owners, over the whole machine", () => {
  const servers: Server[] = [];
  const sockets: Socket[] = [];
  const children: ChildProcess[] = [];
  const inodes = new Set<number>();

  /** Makes a connection with both ends in this process, and returns the client. */
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

  async function started(
    command: readonly string[],
    inherited: Socket | null = null,
  ): Promise<void> {
    const [program = "", ...args] = command;
    const child = spawn(program, args, {
      stdio: ["pipe", "pipe", "inherit", ...(inherited ? [descriptorOf(inherited)] : [])],
    });
    children.push(child);
    const [line] = await once(child.stdout as NodeJS.ReadableStream, "data");
    for (const inode of String(line).trim().split(" ")) inodes.add(Number(inode));
  }

  beforeAll(async () => {
    const keeping = descriptorOf(await connection("127.0.0.1"));
    applyKeepalive(keeping, { enabled: true, idleMs: 33_000, intervalMs: 5000, count: 6 });
    applyUserTimeout(keeping, 23_456);
    const off = descriptorOf(await connection("::1"));
    applyKeepalive(off, { enabled: false, idleMs: 44_000, intervalMs: 9000, count: 127 });
    const shared = await connection("::1");
    shared.setKeepAlive(true, 12_000);
    await started([process.execPath, HELD], shared);
    await started(["unshare", "--pid", "--fork", "--kill-child", process.execPath, HELD]);
    await started([
      "unshare",
      "--net",
      "sh",
      "-c",
      `ip link set lo up && exec "${process.execPath}" "${HELD}" 1234`,
    ]);
  });

  afterAll(async () => {
    for (const child of children) child.stdin?.end();
    for (const it of [...sockets, ...servers]) "destroy" in it ? it.destroy() : it.close();
    await Promise.all(
      children.map((child) => (child.exitCode === null ? once(child, "exit") : null)),
    );
  });

  it("finds a socket's own settings, else the defaults of its namespace, and names the parent for an inherited socket", () => {
    const request = {
      states: [...HANGING_STATES, "LISTEN"] as const,
      withInfo: true,
      filter: [],
      allNamespaces: true,
    };
    const { table } = takeSurvey(port, request);
    const { owners, hidden } = findOwners(port, table);
    expect(hidden).toBe(0);
    const rows = Array.from(table.rows(), ({ index, inode }) => ({ index, inode })).filter(
      ({ inode }) => inodes.has(inode),
    );
    // Three connections here and one in each child, each with two ends and a listener.
    expect(rows.length).toBe(18);
    const found = rows.map(({ index }) => {
      const options = owners.optionsOf(index);
      return {
        ...options?.keepalive,
        userTimeoutMs: options?.userTimeoutMs,
        pid: owners.pidOf(index),
      };
    });
    expect(found).toContainEqual({
      enabled: true,
      idleMs: 33_000,
      intervalMs: 5000,
      count: 6,
      userTimeoutMs: 23_456,
      pid: process.pid,
    });
    expect(found).toContainEqual({
      enabled: false,
      idleMs: 44_000,
      intervalMs: 9000,
      count: 127,
      userTimeoutMs: 0,
      pid: process.pid,
    });
    expect(found).toContainEqual({
      enabled: true,
      idleMs: 1_234_000,
      intervalMs: 11_000,
      count: 4,
      userTimeoutMs: 0,
      pid: children.at(-1)?.pid,
    });
    const inherited = found.find(({ idleMs }) => idleMs === 12_000);
    expect(inherited?.pid).toBe(Math.min(process.pid, children[0]?.pid ?? 0));
  });
});
