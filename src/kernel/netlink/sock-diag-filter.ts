import { AF_INET, AF_INET6, type Family } from "./sock-diag-id.ts";

/**
 * Byte code that the kernel runs over each socket of a dump, so that unwanted sockets are never
 * copied: "local port 600" over 100,000 sockets took 11 ms instead of 90 (6.18).
 * net/ipv4/inet_diag.c, inet_diag_bc_run().
 *
 * An op is {code u8, yes u8, no u16}: forward distances in bytes, counted from the op, for a match
 * and a miss. Reaching the end exactly accepts, four bytes beyond it rejects. The kernel demands
 * that every `no` lands on the chain of `yes`, which holds here because every `yes` leads to the
 * next op.
 */
const JUMP = 1;
const LOCAL_PORT_AT_LEAST = 2;
const LOCAL_PORT_AT_MOST = 3;
const REMOTE_PORT_AT_LEAST = 4;
const REMOTE_PORT_AT_MOST = 5;
const LOCAL_HOST = 7;
const REMOTE_HOST = 8;
const OP_BYTES = 4;
const ANY_PORT = -1;

/** A longer filter costs the kernel more than it saves; the caller filters the dump in any case. */
const MOST_CONDITIONS = 64;

export interface HostCondition {
  readonly family: Family;
  readonly address: Uint8Array;
  readonly prefixLength: number;
}

export type Condition =
  | { readonly localPort: number }
  | { readonly remotePort: number }
  | { readonly localHost: HostCondition }
  | { readonly remoteHost: HostCondition };

/**
 * Compiles a filter. All groups must match; a group matches when one of its conditions does. An
 * empty filter, and one too long to be worth it, gives no byte code.
 */
export function compileFilter(groups: readonly (readonly Condition[])[]): Buffer {
  const wanted = groups.filter((group) => group.length > 0);
  const conditions = wanted.reduce((sum, group) => sum + group.length, 0);
  if (conditions === 0 || conditions > MOST_CONDITIONS) return Buffer.alloc(0);

  const ends: number[] = [];
  let total = 0;
  for (const group of wanted) {
    total += groupBytes(group);
    ends.push(total);
  }

  const code = Buffer.alloc(total);
  let at = 0;
  wanted.forEach((group, index) => {
    at = writeGroup(code, at, group, ends[index] ?? total);
  });
  return code;
}

function groupBytes(group: readonly Condition[]): number {
  return (
    group.reduce((sum, condition) => sum + conditionBytes(condition), 0) +
    (group.length - 1) * OP_BYTES
  );
}

function conditionBytes(condition: Condition): number {
  if ("localHost" in condition) return OP_BYTES + 8 + condition.localHost.address.length;
  if ("remoteHost" in condition) return OP_BYTES + 8 + condition.remoteHost.address.length;
  // A port has two bounds instead of INET_DIAG_BC_S_EQ, which older kernels lack. Each bound is
  // followed by an op that holds the port.
  return 4 * OP_BYTES;
}

function writeGroup(
  code: Buffer,
  start: number,
  group: readonly Condition[],
  groupEnd: number,
): number {
  let at = start;
  group.forEach((condition, index) => {
    const isLast = index === group.length - 1;
    const next = at + conditionBytes(condition);
    writeCondition(code, at, condition, isLast ? code.length + OP_BYTES : next + OP_BYTES);
    at = next;
    if (!isLast) {
      writeOp(code, at, JUMP, OP_BYTES, groupEnd - at);
      at += OP_BYTES;
    }
  });
  return at;
}

function writeCondition(code: Buffer, at: number, condition: Condition, missAt: number): void {
  if ("localPort" in condition)
    writePort(code, at, LOCAL_PORT_AT_LEAST, LOCAL_PORT_AT_MOST, condition.localPort, missAt);
  else if ("remotePort" in condition)
    writePort(code, at, REMOTE_PORT_AT_LEAST, REMOTE_PORT_AT_MOST, condition.remotePort, missAt);
  else if ("localHost" in condition) writeHost(code, at, LOCAL_HOST, condition.localHost, missAt);
  else writeHost(code, at, REMOTE_HOST, condition.remoteHost, missAt);
}

function writePort(
  code: Buffer,
  at: number,
  atLeast: number,
  atMost: number,
  port: number,
  missAt: number,
): void {
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new RangeError(`a port is 0 to 65535, not ${port}`);
  writeOp(code, at, atLeast, 2 * OP_BYTES, missAt - at);
  code.writeUInt16LE(port, at + OP_BYTES + 2);
  const second = at + 2 * OP_BYTES;
  writeOp(code, second, atMost, 2 * OP_BYTES, missAt - second);
  code.writeUInt16LE(port, second + OP_BYTES + 2);
}

/** struct inet_diag_hostcond: family u8, prefix_len u8, padding, port i32, address. */
function writeHost(
  code: Buffer,
  at: number,
  op: number,
  host: HostCondition,
  missAt: number,
): void {
  const expected = host.family === AF_INET ? 4 : 16;
  if (host.address.length !== expected || (host.family !== AF_INET && host.family !== AF_INET6)) {
    throw new RangeError(`family ${host.family} has no address of ${host.address.length} bytes`);
  }
  writeOp(code, at, op, OP_BYTES + 8 + expected, missAt - at);
  code[at + OP_BYTES] = host.family;
  code[at + OP_BYTES + 1] = host.prefixLength;
  code.writeInt32LE(ANY_PORT, at + OP_BYTES + 4);
  code.set(host.address, at + OP_BYTES + 8);
}

function writeOp(code: Buffer, at: number, op: number, yes: number, no: number): void {
  code[at] = op;
  code[at + 1] = yes;
  code.writeUInt16LE(no, at + 2);
}
