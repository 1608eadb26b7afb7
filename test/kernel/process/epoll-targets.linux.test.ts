import { once } from "node:events";
import { createServer } from "node:net";
import { expect, it } from "vitest";
import { openPort } from "../../../src/kernel/port/open-port.ts";
import type { SystemPort } from "../../../src/kernel/port/port.ts";
import { DescriptorLinks, descriptorLimit } from "../../../src/kernel/process/descriptor-links.ts";
import { epollTargets } from "../../../src/kernel/process/epoll-targets.ts";

it("lists the descriptors that the event loop of a process watches, each with its inode", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  // Node registers descriptors when its loop polls. It polls between two immediates, but need not
  // poll before a timer.
  for (let turn = 0; turn < 2; turn++) await new Promise((resolve) => setImmediate(resolve));
  const links = DescriptorLinks.open(openPort() as SystemPort, process.pid) as DescriptorLinks;
  const inodes = new Map<number, number>();
  for (let fd = 0; fd < descriptorLimit(process.pid); fd++) {
    if (links.isEpoll(fd))
      epollTargets(process.pid, fd, (target, inode) => inodes.set(target, inode));
  }
  const listening = (server as unknown as { _handle: { fd: number } })._handle.fd;
  expect(inodes.get(listening)).toBe(links.socketInode(listening));
  expect(inodes.get(listening)).toBeGreaterThan(0);
  links.close();
  server.close();
});

it("reports nothing for a descriptor that is no epoll instance and for a process that does not exist", () => {
  const none = (): never => {
    throw new Error("no descriptor is watched here");
  };
  epollTargets(process.pid, 0, none);
  epollTargets(process.pid, 987_654, none);
  epollTargets(4_194_303, 3, none);
});
