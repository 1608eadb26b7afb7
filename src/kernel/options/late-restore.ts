import { HalfOpenError } from "../../core/errors.ts";
import { startTimer } from "../clock.ts";
import {
  applyOptions,
  bears,
  type ConnectionOptions,
  isSameOptions,
  readOptions,
} from "./connection-options.ts";

/** Options that a connection did not bear when they were to be put back. */
interface Debt {
  readonly fd: number;
  readonly isOpen: () => boolean;
  /** The options it has meanwhile. Whoever has changed them since knows better. */
  readonly meanwhile: ConnectionOptions;
  readonly own: ConnectionOptions;
}

const LOOK_EVERY_MS = 1000;
const debts = new Set<Debt>();
let isTimed = false;

/**
 * Returns the options that the program has on a connection: those that the kernel holds, or, where
 * a connection in doubt could not bear all of its own, those that are still to be put back.
 */
export function ownOptions(fd: number): ConnectionOptions {
  const now = readOptions(fd);
  for (const debt of debts) {
    if (debt.fd !== fd) continue;
    debts.delete(debt); // the caller puts the options back, or the socket is gone
    if (debt.isOpen() && isSameOptions(now, debt.meanwhile)) return debt.own;
  }
  return now;
}

/**
 * Puts a connection's own options back: those that it bears now at once, the rest once its peer was
 * heard. `isOpen` returns whether the descriptor is still the connection's. The timer keeps no
 * process alive.
 *
 * @throws HalfOpenError `ERR_SOCKET_OPTION`
 */
export function restoreOptions(fd: number, own: ConnectionOptions, isOpen: () => boolean): void {
  const meanwhile = applyOptions(fd, readOptions(fd), own);
  if (isSameOptions(meanwhile, own)) return;
  debts.add({ fd, isOpen, meanwhile, own });
  if (!isTimed) payLater();
}

function payAll(): void {
  for (const debt of debts) if (isPaid(debt)) debts.delete(debt);
  isTimed = false;
  if (debts.size > 0) payLater();
}

function payLater(): void {
  isTimed = true;
  startTimer(payAll, LOOK_EVERY_MS).unref();
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
