import { HalfOpenError } from "../../core/errors.ts";
import {
  applyOptions,
  bears,
  type ConnectionOptions,
  isSameOptions,
  readOptions,
} from "./connection-options.ts";

/** What a connection did not bear when its options were to be put back. */
interface Debt {
  readonly fd: number;
  readonly isOpen: () => boolean;
  /** What it has meanwhile: whoever changed that since knows better. */
  readonly meanwhile: ConnectionOptions;
  readonly own: ConnectionOptions;
}

const LOOK_EVERY_MS = 1000;
const debts = new Set<Debt>();
let timer: NodeJS.Timeout | null = null;

/**
 * What the program has on a connection: as the kernel tells it, or where that is what a connection
 * in doubt could bear, what is still to be put back.
 */
export function ownOptions(fd: number): ConnectionOptions {
  const now = readOptions(fd);
  for (const debt of debts) {
    if (debt.fd !== fd) continue;
    debts.delete(debt); // whoever asks puts it back, or its socket is gone
    if (debt.isOpen() && isSameOptions(now, debt.meanwhile)) return debt.own;
  }
  return now;
}

/**
 * Puts a connection's own options back: what it bears now at once, the rest when its peer was
 * heard. `isOpen`: whether the descriptor is still the connection's. Keeps no process alive.
 *
 * @throws HalfOpenError `ERR_SOCKET_OPTION`
 */
export function restoreOptions(fd: number, own: ConnectionOptions, isOpen: () => boolean): void {
  const meanwhile = applyOptions(fd, readOptions(fd), own);
  if (isSameOptions(meanwhile, own)) return;
  debts.add({ fd, isOpen, meanwhile, own });
  timer ??= setInterval(payAll, LOOK_EVERY_MS).unref();
}

function payAll(): void {
  for (const debt of debts) if (isPaid(debt)) debts.delete(debt);
  if (debts.size > 0 || timer === null) return;
  clearInterval(timer);
  timer = null;
}

function isPaid({ fd, isOpen, meanwhile, own }: Debt): boolean {
  if (!isOpen()) return true;
  try {
    const now = readOptions(fd);
    if (!isSameOptions(now, meanwhile)) return true;
    if (!bears(fd, now, own)) return false;
    applyOptions(fd, now, own);
    return true;
  } catch (error) {
    if (error instanceof HalfOpenError) return true; // it closed under us
    throw error;
  }
}
