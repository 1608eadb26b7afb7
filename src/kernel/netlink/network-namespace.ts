import { closeSync, openSync, readdirSync, readlinkSync, statSync } from "node:fs";
import { HalfOpenError } from "../../core/errors.ts";
import { EPERM } from "../port/errno-linux.ts";
import type { SystemPort } from "../port/port.ts";

const CLONE_NEWNET = 0x4000_0000;
const OWN = "/proc/thread-self/ns/net";
const NAMED = "/run/netns";

/** A network namespace of this machine, as a container or `ip netns` makes them. */
export interface NetworkNamespace {
  /** The inode number, the kernel's own name for the namespace. */
  readonly inode: number;
  /** The path that leads to the namespace, opened when it is entered. */
  readonly path: string;
  /** The name under /run/netns; else `null`. */
  readonly name: string | null;
  readonly isOwn: boolean;
}

/** Returns a namespace as reports name it: `blue`, `net:[4026532231]`; `null` = our own. */
export function namespaceLabel({ name, inode, isOwn }: NetworkNamespace): string | null {
  return isOwn ? null : (name ?? `net:[${inode}]`);
}

export function ownNamespace(): NetworkNamespace {
  return { inode: inodeOf(readlinkSync(OWN)) ?? 0, path: OWN, name: null, isOwn: true };
}

/**
 * Lists our own namespace first, then every named one and every one that holds a process we may
 * see.
 */
export function listNamespaces(): NetworkNamespace[] {
  const own = ownNamespace();
  const found = new Map<number, NetworkNamespace>([[own.inode, own]]);
  const add = (inode: number | null, path: string, name: string | null): void => {
    if (inode === own.inode) found.set(inode, { ...own, name: found.get(inode)?.name ?? name });
    else if (inode !== null && !found.has(inode))
      found.set(inode, { inode, path, name, isOwn: false });
  };

  for (const name of entriesOf(NAMED))
    add(
      attempt(() => statSync(`${NAMED}/${name}`).ino),
      `${NAMED}/${name}`,
      name,
    );

  for (const pid of entriesOf("/proc")) {
    if (!/^\d+$/.test(pid)) continue;
    const path = `/proc/${pid}/ns/net`;
    add(
      attempt(() => inodeOf(readlinkSync(path))),
      path,
      null,
    );
  }
  return [...found.values()];
}

/**
 * Runs `work` with this thread inside another network namespace, and comes back. Synchronous,
 * because a namespace belongs to the thread and an `await` would let other code run inside it.
 * Sockets opened inside stay there. /proc/sys/net shows the values of that namespace meanwhile.
 *
 * @throws HalfOpenError `ERR_PERMISSION` without CAP_SYS_ADMIN, or for another user's process
 * without CAP_SYS_PTRACE; `ERR_NOT_SUPPORTED` when the namespace is gone
 */
export function insideNamespace<T>(
  port: SystemPort,
  namespace: NetworkNamespace,
  work: () => T,
): T {
  if (namespace.isOwn) return work();
  const own = openSync(OWN, "r");
  try {
    enter(port, namespace);
    try {
      return work();
    } finally {
      const back = port.setns(own, CLONE_NEWNET);
      // From here on the process would act in a namespace that its user does not expect.
      if (back < 0) process.abort();
    }
  } finally {
    closeSync(own);
  }
}

function enter(port: SystemPort, namespace: NetworkNamespace): void {
  const { path } = namespace;
  let fd: number;
  try {
    fd = openSync(path, "r");
  } catch (cause) {
    throw (cause as NodeJS.ErrnoException).code === "EACCES"
      ? new HalfOpenError(
          "ERR_PERMISSION",
          `reaching the network namespace at ${path} needs CAP_SYS_PTRACE; run as root`,
          { cause },
        )
      : new HalfOpenError("ERR_NOT_SUPPORTED", `the network namespace at ${path} is gone`, {
          cause,
        });
  }

  const result = port.setns(fd, CLONE_NEWNET);
  closeSync(fd);
  if (result >= 0) return;
  if (result === -EPERM) {
    throw new HalfOpenError(
      "ERR_PERMISSION",
      `entering the network namespace at ${path} needs CAP_SYS_ADMIN; run as root`,
    );
  }
  throw new HalfOpenError(
    "ERR_NOT_SUPPORTED",
    `entering the network namespace at ${path} failed: errno ${-result}`,
  );
}

function inodeOf(link: string): number | null {
  const match = /^net:\[(\d+)\]$/.exec(link);
  return match ? Number(match[1]) : null;
}

function entriesOf(directory: string): string[] {
  return attempt(() => readdirSync(directory)) ?? [];
}

/** Returns `null` where a process has ended or permission is missing: such entries are left out. */
function attempt<T>(look: () => T): T | null {
  try {
    return look();
  } catch {
    return null;
  }
}
