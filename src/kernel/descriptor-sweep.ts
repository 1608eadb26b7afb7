import { readFileSync } from "node:fs";
import { BpfIterator } from "./bpf-iterator.ts";
import { Btf, BtfError } from "./btf.ts";
import { type SweepProgram, sweepProgram, WANTED_TYPES } from "./descriptor-sweep-program.ts";
import { isMasked } from "./mask.ts";
import type { SystemPort } from "./port.ts";
import { SweepCanary } from "./sweep-canary.ts";
import { RECORD_BYTES } from "./swept-socket.ts";
import { SweptSockets } from "./swept-sockets.ts";

const TYPES = "/sys/kernel/btf/vmlinux";
const PIECE_BYTES = 5500 * RECORD_BYTES;

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
      return typeof pieces === "number" ? null : SweptSockets.tested(pieces, canary);
    } finally {
      canary.close();
    }
  }

  close(): void {
    this.#iterator.close();
  }
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
