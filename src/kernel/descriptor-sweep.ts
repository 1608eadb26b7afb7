import { readFileSync } from "node:fs";
import { HalfOpenError } from "../core/errors.ts";
import { BpfIterator } from "./bpf-iterator.ts";
import { Btf, BtfError } from "./btf.ts";
import { type SweepProgram, sweepProgram, WANTED_TYPES } from "./descriptor-sweep-program.ts";
import { isMasked } from "./mask.ts";
import type { SystemPort } from "./port.ts";
import { SweepCanary } from "./sweep-canary.ts";
import { RECORD_BYTES, SweptSocket } from "./swept-socket.ts";

const TYPES = "/sys/kernel/btf/vmlinux";
/** Of 5,000 sockets. */
const PIECE_BYTES = 1 << 18;
/** CONFIG_HZ on x86_64 and arm64 (kernel/Kconfig.hz). */
const KNOWN_HZ: readonly number[] = [100, 250, 300, 1000];

/** A kernel does not change while it runs; who looks again does not read 5 MB again. */
let written: SweepProgram | undefined;

/**
 * Tells of every socket of every process at once, with its settings, by a program that the kernel runs over its own tables: one read a
 * thousand sockets, where links, duplicates and options take seven calls a socket. For root (CAP_BPF and CAP_PERFMON), on Linux >= 5.11
 * with a description of its types. Whatever is missing, and whatever is told wrongly of two sockets of our own, is a refusal: callers look
 * at descriptors one by one then.
 */
export class DescriptorSweep {
  readonly #port: SystemPort;
  readonly #iterator: BpfIterator;

  private constructor(port: SystemPort, iterator: BpfIterator) {
    this.#port = port;
    this.#iterator = iterator;
  }

  /** Loads the program, which must be closed; `null`: refused. */
  static prepare(port: SystemPort): DescriptorSweep | null {
    if (isMasked("bpf") || !isProcOfOurNamespace()) return null;
    try {
      written ??= sweepProgram(new Btf(readFileSync(TYPES), WANTED_TYPES), { withRtoMax: !isMasked("rto-max") });
    } catch (error) {
      if (error instanceof BtfError || isSystemError(error)) return null;
      throw error;
    }
    const iterator = BpfIterator.load(port, written.instructions, written.attachTo);
    return typeof iterator === "number" ? null : new DescriptorSweep(port, iterator);
  }

  /** `null`: refused, or not to be believed. */
  run(): SweptSockets | null {
    let canary: SweepCanary;
    try {
      canary = new SweepCanary(this.#port);
    } catch (error) {
      if (error instanceof HalfOpenError) return null;
      throw error;
    }
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
    this.#pieces = pieces.map((piece) => new Uint32Array(piece.buffer, piece.byteOffset, piece.length >> 2));
    this.#hz = hz;
  }

  /** In one view that moves on. */
  forEach(onSocket: (socket: SweptSocket) => void): void {
    const socket = new SweptSocket(this.#hz);
    for (const piece of this.#pieces) {
      const records = Math.floor((4 * piece.length) / RECORD_BYTES);
      for (let record = 0; record < records; record++) onSocket(socket.moveTo(piece, record));
    }
  }
}

function tested(pieces: readonly Buffer[], canary: SweepCanary): SweptSockets | null {
  const { pid } = process;
  const own: SweptSocket[] = [];
  new SweptSockets(pieces, 1).forEach((told) => {
    if (told.pid === pid) own.push(told.copy(1));
  });
  const hz = (own.find((told) => canary.isOfOneSecond(told))?.keepaliveIdleMs ?? 0) / 1000;
  if (!KNOWN_HZ.includes(hz)) return null;
  const confirmed = own.filter((told) => canary.confirms(told.copy(hz)));
  return confirmed.length === canary.size ? new SweptSockets(pieces, hz) : null;
}

/**
 * Whether /proc shows the pid namespace of this process, whose pids the sweep tells. After `unshare --pid` without a mount of its own it
 * shows the one outside, and a process of a namespace inside that one has a number for each (NSpid, fs/proc/array.c).
 */
function isProcOfOurNamespace(): boolean {
  try {
    const pids = /^NSpid:\s*(.+)$/m.exec(readFileSync("/proc/self/status", "latin1"))?.[1];
    return pids === String(process.pid);
  } catch {
    return false;
  }
}

function isSystemError(error: unknown): boolean {
  return error instanceof Error && "syscall" in error;
}
