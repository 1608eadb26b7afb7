import { readFileSync } from "node:fs";
import { BpfIterator } from "./bpf-iterator.ts";
import { Btf, BtfError } from "./btf.ts";
import { type SweepProgram, sweepProgram, WANTED_TYPES } from "./descriptor-sweep-program.ts";
import { isMasked } from "./mask.ts";
import type { SystemPort } from "./port.ts";
import { SweepCanary } from "./sweep-canary.ts";
import { RECORD, RECORD_BYTES, SweptSocket } from "./swept-socket.ts";

const TYPES = "/sys/kernel/btf/vmlinux";
const RECORD_WORDS = RECORD_BYTES / 4;
const PID_WORD = RECORD.pid.offset / 4;
/** Of 5,000 sockets. */
const PIECE_BYTES = 1 << 18;
/** CONFIG_HZ on x86_64 and arm64 (kernel/Kconfig.hz). */
const KNOWN_HZ: readonly number[] = [100, 250, 300, 1000];

/** include/uapi/linux/capability.h. Before Linux 5.8, and since, the first stands for the others. */
const CAP_SYS_ADMIN = 21n;
const CAP_PERFMON = 38n;
const CAP_BPF = 39n;

/** A kernel does not change while it runs; who looks again does not read 5 MB again. */
let written: SweepProgram | undefined;

/**
 * Tells of every socket of every process at once, with its settings, by a program that the kernel runs over its own tables: one read for
 * 680 sockets, where link, duplicate, cookie and options take seven calls for one. For root (CAP_BPF and CAP_PERFMON), on Linux >= 5.11
 * with a description of its types. Whatever is missing, and whatever is told wrongly of two sockets of our own, is a refusal: callers look
 * at descriptors one by one then. The memory of other processes is not touched, and no file of theirs is held beyond a read.
 */
export class DescriptorSweep {
  readonly #port: SystemPort;
  readonly #iterator: BpfIterator;
  #spare: ArrayBuffer | null;

  private constructor(port: SystemPort, iterator: BpfIterator, spare: ArrayBuffer | null) {
    this.#port = port;
    this.#iterator = iterator;
    this.#spare = spare;
  }

  /** Loads the program, which must be closed; `null`: refused. */
  static prepare(port: SystemPort): DescriptorSweep | null {
    if (isMasked("bpf") || !mayBeOfUse()) return null;
    let spare: ArrayBuffer | null = null;
    try {
      if (!written) {
        const description = readFileSync(TYPES);
        written = sweepProgram(new Btf(description, WANTED_TYPES), { withRtoMax: !isMasked("rto-max") });
        spare = description.buffer;
      }
    } catch (error) {
      // A RangeError: a member of this kernel lies too far off, or is too long, for one instruction.
      if (error instanceof BtfError || error instanceof RangeError || isSystemError(error)) return null;
      throw error;
    }
    const iterator = BpfIterator.load(port, written.instructions, written.attachTo);
    return typeof iterator === "number" ? null : new DescriptorSweep(port, iterator, spare);
  }

  /** 5 MB in which the description of types lay, for whoever needs memory; once. */
  spareMemory(): ArrayBuffer | null {
    const spare = this.#spare;
    this.#spare = null;
    return spare;
  }

  /** `null`: refused, or not to be believed. */
  run(): SweptSockets | null {
    const canary = SweepCanary.open(this.#port);
    if (canary === null) return null;
    try {
      const pieces = this.#iterator.run(PIECE_BYTES);
      return typeof pieces === "number" ? null : tested(pieces, canary);
    } finally {
      canary.close();
    }
  }

  close(): void {
    this.#iterator.close();
  }
}

/** What a sweep told, in the order of pids and descriptors. */
export class SweptSockets {
  readonly #pieces: readonly Uint32Array[];
  readonly #hz: number;

  constructor(pieces: readonly Buffer[], hz: number) {
    const wholeWords = ({ length }: Buffer): number => Math.floor(length / RECORD_BYTES) * RECORD_WORDS;
    this.#pieces = pieces.map((piece) => new Uint32Array(piece.buffer, piece.byteOffset, wholeWords(piece)));
    this.#hz = hz;
  }

  ofProcess(pid: number): SweptSocket[] {
    const found: SweptSocket[] = [];
    for (const piece of this.#pieces) {
      for (let at = 0; at < piece.length; at += RECORD_WORDS) {
        if (piece[at + PID_WORD] === pid) found.push(new SweptSocket(this.#hz).moveTo(piece, at / RECORD_WORDS));
      }
    }
    return found;
  }

  /** In one view that moves on. */
  forEach(onSocket: (socket: SweptSocket) => void): void {
    const socket = new SweptSocket(this.#hz);
    for (const piece of this.#pieces) {
      const records = piece.length / RECORD_WORDS;
      for (let record = 0; record < records; record++) onSocket(socket.moveTo(piece, record));
    }
  }
}

function tested(pieces: readonly Buffer[], canary: SweepCanary): SweptSockets | null {
  const own = new SweptSockets(pieces, 1).ofProcess(process.pid);
  const hz = (own.find((told) => canary.isOfOneSecond(told))?.keepaliveIdleMs ?? 0) / 1000;
  if (!KNOWN_HZ.includes(hz)) return null;
  const confirmed = own.filter((told) => canary.confirms(told.copy(hz)));
  return confirmed.length === canary.size ? new SweptSockets(pieces, hz) : null;
}

/**
 * Whether this process may load programs, as far as its own capabilities tell, and /proc shows its pid namespace, whose pids the sweep
 * tells. After `unshare --pid` without a mount of its own /proc shows the one outside, and there a process has a number for each of the two
 * (NSpid, fs/proc/array.c).
 */
function mayBeOfUse(): boolean {
  let status: string;
  try {
    status = readFileSync("/proc/self/status", "latin1");
  } catch {
    return false;
  }
  const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? 0}`);
  const isAllowed = (capability: bigint): boolean => ((effective >> capability) & 1n) === 1n;
  if (!isAllowed(CAP_SYS_ADMIN) && !(isAllowed(CAP_PERFMON) && isAllowed(CAP_BPF))) return false;
  return /^NSpid:\s*(.+)$/m.exec(status)?.[1] === String(process.pid);
}

function isSystemError(error: unknown): boolean {
  return error instanceof Error && "syscall" in error;
}
