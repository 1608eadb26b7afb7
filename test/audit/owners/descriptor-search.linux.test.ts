import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { effectiveOptions } from "../../../src/audit/effective-options.ts";
import { type OwnersWanted, searchProcess } from "../../../src/audit/owners/descriptor-search.ts";
import { findOwners, rowsByInode } from "../../../src/audit/owners/owner-search.ts";
import { OwnerTable } from "../../../src/audit/owners/owner-table.ts";
import type { OptionsWanted } from "../../../src/kernel/options/connection-options.ts";
import { openPort } from "../../../src/kernel/port/open-port.ts";
import type { SystemPort } from "../../../src/kernel/port/port.ts";
import { descriptorLimit, listDescriptors } from "../../../src/kernel/process/descriptor-links.ts";
import { readSystemDefaults } from "../../../src/kernel/system/system-defaults.ts";
import type { ConnectionTable } from "../../../src/survey/connection-table.ts";
import { HANGING_STATES, takeSurvey } from "../../../src/survey/survey.ts";

const EPERM = 1;
const ESRCH = 3;
const EBADF = 9;
const ENOSYS = 38;
const SO_COOKIE = 57;

const port = openPort() as SystemPort;
let server: Server;
let client: Socket;
let accepted: Socket;
let table: ConnectionTable;

beforeAll(async () => {
  server = createServer((socket) => {
    accepted = socket;
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port: at } = server.address() as { port: number };
  client = connect(at, "127.0.0.1");
  await Promise.all([once(client, "connect"), once(server, "connection")]);
  // After a byte went either way, the event loop watches both sockets.
  for (const [from, to] of [
    [client, accepted],
    [accepted, client],
  ] as const) {
    from.write("x");
    await once(to, "data");
  }
  client.setKeepAlive(true, 33_000);
  table = takeSurvey(port, {
    states: HANGING_STATES,
    withInfo: true,
    filter: [[{ localPort: at }, { remotePort: at }]],
    allNamespaces: false,
  }).table;
});

afterAll(() => {
  client.destroy();
  accepted.destroy();
  server.close();
});

function wantedOf(
  searched: ConnectionTable,
  owners: OwnerTable,
  wanted: OptionsWanted = "all",
): OwnersWanted {
  return { table: searched, rows: rowsByInode(searched), owners, wanted };
}

/**
 * Searches this process's two sockets while the kernel behaves as `changes` says. Checks that no
 * descriptor stays open.
 */
function search(changes: Partial<SystemPort>) {
  const counted = countingCloses({ ...port, ...changes });
  const owners = new OwnerTable(table.size);
  searchProcess(counted.port, process.pid, wantedOf(table, owners), null);
  expect(counted.left()).toBe(0);
  return owners;
}

function countingCloses(from: SystemPort): { port: SystemPort; left: () => number } {
  let left = 0;
  const opening = (result: number): number => {
    if (result >= 0) left++;
    return result;
  };
  return {
    left: () => left,
    port: {
      ...from,
      pidfdOpen: (pid, flags) => opening(from.pidfdOpen(pid, flags)),
      pidfdGetfd: (pidfd, fd, flags) => opening(from.pidfdGetfd(pidfd, fd, flags)),
      close(fd) {
        left--;
        return from.close(fd);
      },
    },
  };
}

describe("the search for owners", () => {
  it("finds the owner and the settings of each socket, and leaves no descriptor open", () => {
    const owners = search({});
    const found = Array.from(table.rows(), ({ index, localPort }) => ({
      localPort,
      owner: owners.ownerOf(index),
      options: owners.optionsOf(index),
    }));
    expect(found.length).toBe(2);
    for (const { owner } of found) expect(owner?.pid).toBe(process.pid);
    const ofClient = found.find(({ localPort }) => localPort === client.localPort);
    expect(ofClient?.options?.keepalive).toMatchObject({ enabled: true, idleMs: 33_000 });
  });

  it("sees by the timers that keepalive is off, and reports its times as 0 when only deciding settings are wanted", async () => {
    await sleep(100); // all delayed acknowledgments have left
    const { remotePort: at } = client;
    const filter = [[{ localPort: at ?? 0 }, { remotePort: at ?? 0 }]];
    const idle = takeSurvey(port, {
      states: HANGING_STATES,
      withInfo: true,
      filter,
      allNamespaces: false,
    }).table;
    const owners = new OwnerTable(idle.size);
    searchProcess(port, process.pid, wantedOf(idle, owners, "deciding"), null);
    const found = Array.from(idle.rows(), ({ index, localPort, isSeenWithoutKeepalive }) => ({
      isClient: localPort === client.localPort,
      isSeenWithoutKeepalive,
      keepalive: owners.optionsOf(index)?.keepalive,
    }));
    expect(found.sort((a, b) => Number(a.isClient) - Number(b.isClient))).toMatchObject([
      { isClient: false, isSeenWithoutKeepalive: true, keepalive: { enabled: false, idleMs: 0 } },
      {
        isClient: true,
        isSeenWithoutKeepalive: false,
        keepalive: { enabled: true, idleMs: 33_000 },
      },
    ]);
  });

  it.each([
    ["pidfd_open is forbidden", { pidfdOpen: () => -EPERM }, EPERM],
    ["the kernel or a sandbox has no pidfd_open", { pidfdOpen: () => -ENOSYS }, ENOSYS],
    ["the process ended after its descriptors were listed", { pidfdOpen: () => -ESRCH }, ESRCH],
    ["pidfd_getfd is forbidden", { pidfdGetfd: () => -EPERM }, EPERM],
    ["the descriptor was closed after it was listed", { pidfdGetfd: () => -EBADF }, EBADF],
  ])("reports the errno when %s", (_, changes, errno) => {
    const owners = search(changes);
    for (const row of table.rows()) {
      const found = {
        pid: owners.ownerOf(row.index)?.pid,
        options: owners.optionsOf(row.index),
        errno: owners.errnoOf(row.index),
      };
      expect(found).toEqual({ pid: process.pid, options: null, errno });
      const effective = effectiveOptions(row, owners, readSystemDefaults());
      expect(effective.source).not.toBe("read");
      expect(effective.unknown).toMatch(/not known/);
    }
  });

  it("reads nothing from a descriptor that has become another socket", () => {
    const optionsRead: number[] = [];
    const owners = search({
      getsockopt(fd, level, option, value) {
        optionsRead.push(option);
        const length = port.getsockopt(fd, level, option, value);
        if (option === SO_COOKIE) value[0] = (value[0] ?? 0) ^ 1;
        return length;
      },
    });
    for (const row of table.rows()) expect(owners.errnoOf(row.index)).toBe(EBADF);
    expect(new Set(optionsRead)).toEqual(new Set([SO_COOKIE]));
  });

  it("skips a process that has ended", () => {
    const owners = new OwnerTable(table.size);
    expect(searchProcess(port, 4_194_303, wantedOf(table, owners))).toBe(null);
    expect(owners.ownerOf(0)).toBe(null);
  });

  it("finds the same by trying numbers with the event loop's help as by listing the descriptors", () => {
    const listed = search({});
    let links = 0;
    const counting = {
      ...port,
      readlinkat(...args: Parameters<SystemPort["readlinkat"]>) {
        links++;
        return port.readlinkat(...args);
      },
    };
    const tried = new OwnerTable(table.size);
    const below = descriptorLimit(process.pid);
    searchProcess(counting, process.pid, wantedOf(table, tried), below);
    for (const row of table.rows()) {
      expect(tried.optionsOf(row.index)).toEqual(listed.optionsOf(row.index));
      expect(tried.ownerOf(row.index)).toEqual(listed.ownerOf(row.index));
    }
    // The two sockets, which Node's event loop watches, are found without reading their links, and
    // no number beyond the last descriptor is tried.
    const last = Math.max(...listDescriptors(process.pid));
    expect(last).toBeLessThan(below - 1);
    expect(links).toBeLessThanOrEqual(last + 1 + 64 - table.size);
  });

  it("confirms what an event loop watches: a descriptor that became another socket is found by its link", () => {
    const owners = new OwnerTable(table.size);
    let cookiesRead = 0;
    const lying = {
      ...port,
      // The first reading of each of the two sockets shows another socket.
      getsockopt(fd: number, level: number, option: number, value: Uint8Array) {
        const length = port.getsockopt(fd, level, option, value);
        if (option === SO_COOKIE && ++cookiesRead % 2 === 1) value[0] = (value[0] ?? 0) ^ 1;
        return length;
      },
    };
    searchProcess(lying, process.pid, wantedOf(table, owners), descriptorLimit(process.pid));
    expect(cookiesRead).toBe(2 * table.size);
    for (const row of table.rows())
      expect(owners.optionsOf(row.index)).toEqual(search({}).optionsOf(row.index));
  });

  it("searches only the processes that are given", () => {
    const found = findOwners(port, table, "all", [process.pid]).owners;
    for (const row of table.rows())
      expect(found.optionsOf(row.index)).toEqual(search({}).optionsOf(row.index));
    const elsewhere = findOwners(port, table, "all", [process.ppid]).owners;
    for (const row of table.rows()) expect(elsewhere.ownerOf(row.index)).toBe(null);
  });
});

it("the keepalive timer shows whether keepalive is on, even when the options are hidden", () => {
  const hidden = search({ pidfdGetfd: () => -EPERM });
  for (const row of table.rows()) {
    const { options, source } = effectiveOptions(row, hidden, readSystemDefaults());
    const isClient = row.localPort === client.localPort;
    expect({ isOn: options.keepalive.enabled, source }).toEqual({
      isOn: isClient,
      source: isClient ? "assumed" : "seen",
    });
  }
});
